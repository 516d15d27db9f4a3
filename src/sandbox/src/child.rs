//! The child's side: give everything up, then read the request.
//!
//! Order: die with the parent, no new privileges, resource limits, Landlock (no file may be opened,
//! ABI 2: Linux 5.19), then a seccomp filter that kills the process at any call outside a short
//! list. The filter alone forbids open, socket, exec and threads; Landlock and the limits stand
//! behind it.

pub use crate::wire::Answer;

use crate::wire::{
    Ask, BODY, FILE, HEAD, HEAD_BYTES_MAX, NAME_BYTES_MAX, Operation, PIECE_BYTES_MAX, read_bytes,
    read_u32, write_frame,
};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    os::fd::RawFd,
    process::ExitCode,
};

/// What a child may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Address space.
    pub memory_bytes_max: u64,
    /// Processor time; the kernel kills beyond it.
    pub cpu_seconds_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes_max: 768 << 20, cpu_seconds_max: 600 }
    }
}

/// The descriptors that a confined process was given to work with.
#[derive(Debug, Clone, Copy)]
pub enum Given {
    /// A request on standard input, a reply on standard output.
    Request,
    /// A medium that is read at any place, and a connection to the kernel, which other threads hear.
    Medium {
        /// The medium.
        device: RawFd,
        /// The connection.
        connection: RawFd,
    },
    /// A file that is read, and a medium of so many bytes that it is written to.
    Writing {
        /// The file.
        file: RawFd,
        /// The medium, twice: to write, and to read what was written.
        device: [RawFd; 2],
        /// The medium's length.
        length: u64,
    },
}

/// Gives up files, network, programs and privileges for good, in all threads. On error nothing may be read.
///
/// # Errors
/// A phrase that names the part that this machine refused.
pub fn confine(limits: Limits, given: Given) -> Result<(), String> {
    let told = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| told("death signal", &e))?;
    rustix::thread::set_no_new_privs(true).map_err(|e| told("no new privileges", &e))?;
    let writes = match given {
        Given::Writing { length, .. } => length,
        Given::Request | Given::Medium { .. } => 0,
    };
    for (resource, most) in [
        (Resource::As, limits.memory_bytes_max),
        (Resource::Cpu, limits.cpu_seconds_max),
        (Resource::Core, 0),
        (Resource::Fsize, writes),
    ] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|e| told("resource limit", &e))?;
    }
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(|e| told("landlock", &e))?;
    if status.ruleset != RulesetStatus::FullyEnforced || !status.no_new_privs {
        return Err("landlock is not fully enforced".into());
    }
    // After Landlock, which needs a descriptor of its own for a moment.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Nofile, none).map_err(|e| told("resource limit", &e))?;
    let filter = filter(given).map_err(|e| told("seccomp filter", &e))?;
    seccompiler::apply_filter_all_threads(&filter).map_err(|e| told("seccomp", &e))
}

fn filter(given: Given) -> Result<BpfProgram, seccompiler::BackendError> {
    use SeccompCmpArgLen::Dword;
    let argument = |index, value: libc::c_int| {
        let value = u64::from(value.unsigned_abs());
        SeccompRule::new(vec![SeccompCondition::new(index, Dword, SeccompCmpOp::Eq, value)?])
    };
    let never_code = || {
        let exec = u64::from(libc::PROT_EXEC.unsigned_abs());
        let cleared = SeccompCmpOp::MaskedEq(exec);
        SeccompRule::new(vec![SeccompCondition::new(2, Dword, cleared, 0)?])
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = [
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_sched_yield,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    rules.insert(libc::SYS_madvise, vec![argument(2, libc::MADV_DONTNEED)?]);
    match given {
        Given::Request => {
            rules.insert(libc::SYS_read, vec![argument(0, 0)?]);
            rules.insert(libc::SYS_write, vec![argument(0, 1)?, argument(0, 2)?]);
        }
        Given::Medium { device, connection } => {
            rules.insert(libc::SYS_pread64, vec![argument(0, device)?]);
            rules.insert(libc::SYS_read, vec![argument(0, connection)?]);
            rules.insert(libc::SYS_writev, vec![argument(0, connection)?]);
            rules.insert(libc::SYS_write, vec![argument(0, 2)?]);
            // At its end, when the kernel has hung up.
            rules.insert(libc::SYS_close, Vec::new());
        }
        Given::Writing { file, device, .. } => {
            let [written, read] = device;
            let either = || {
                Ok::<_, seccompiler::BackendError>(vec![argument(0, written)?, argument(0, read)?])
            };
            let mut reads = either()?;
            reads.push(argument(0, file)?);
            rules.insert(libc::SYS_pread64, reads);
            for call in [libc::SYS_pwrite64, libc::SYS_fsync, libc::SYS_fadvise64] {
                rules.insert(call, either()?);
            }
            rules.insert(libc::SYS_write, vec![argument(0, 2)?]);
            rules.insert(libc::SYS_close, Vec::new());
        }
    }
    rules.insert(libc::SYS_mmap, vec![never_code()?]);
    rules.insert(libc::SYS_mprotect, vec![never_code()?]);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

/// The second part of a request, and the way to send a body.
pub struct Exchange<'a> {
    /// The first part.
    pub first: Vec<u8>,
    /// The second part, up to its end.
    pub second: &'a mut dyn Read,
    /// Takes the body of the reply.
    pub body: Body<'a>,
}

/// Sends a body in pieces.
pub struct Body<'a>(&'a mut dyn Write);

impl Body<'_> {
    /// Says that what is written from here on is another file, of this name; a long one is cut.
    ///
    /// # Errors
    /// When the parent has gone.
    pub fn begin_file(&mut self, name: &[u8]) -> io::Result<()> {
        let name = &name[..name.len().min(NAME_BYTES_MAX as usize)];
        write_frame(&mut self.0, FILE, name)
    }
}

impl Write for Body<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES_MAX as usize)];
        write_frame(&mut self.0, BODY, piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Confines this process, reads one request, lets `work` answer it, and sends the reply.
///
/// `work` gets what to do and the exchange; an error of its own is an [`Answer::Refused`].
pub fn serve(work: impl FnOnce(Operation, Exchange<'_>) -> Answer) -> ExitCode {
    let answer = match confine(Limits::default(), Given::Request) {
        Ok(()) => respond(work),
        Err(reason) => Ok(Answer::Unconfined { reason }),
    };
    let sent = answer.and_then(|answer| {
        let head = serde_json::to_vec(&answer)?;
        let mut output = io::stdout().lock();
        write_frame(&mut output, HEAD, &head)?;
        output.flush()
    });
    if sent.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn respond(work: impl FnOnce(Operation, Exchange<'_>) -> Answer) -> io::Result<Answer> {
    let mut input = io::stdin().lock();
    let length = read_u32(&mut input)?;
    let head = read_bytes(&mut input, length, HEAD_BYTES_MAX)?;
    let ask: Ask = serde_json::from_slice(&head)?;
    let mut first = Vec::new();
    (&mut input).take(ask.first_part).read_to_end(&mut first)?;
    // One buffer on the way out, or each small piece is a system call.
    let mut output = io::BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let exchange = Exchange { first, second: &mut input, body: Body(&mut output) };
    let answer = work(ask.operation, exchange);
    output.flush()?;
    Ok(answer)
}
