//! The system calls that a server and its children may make: what files, memory, threads, children, time, waiting and
//! stream sockets need.
//!
//! Everything else is answered with ENOSYS, as by a kernel that does not have it: libraries then take an older way
//! (`clone3`, whose flags no filter sees, becomes `clone`). Not here, among others: mounts, modules, namespaces, clocks
//! that are set, tracing and other processes' memory, keyrings, bpf, io_uring, accounts and capabilities that are
//! changed, and datagrams.

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is,
    SeccompCondition as If, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Names without commas between them: a table that is read in one look.
macro_rules! calls {
    ($($call:ident)*) => { &[$(libc::$call),*] };
}

/// What may be called with any arguments.
pub(super) const CALLS: &[&[c_long]] = &[
    // Files.
    calls! { SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_preadv2
    SYS_pwritev2 SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_lseek SYS_fstat SYS_newfstatat SYS_statx SYS_statfs
    SYS_fstatfs SYS_faccessat SYS_faccessat2 SYS_readlinkat SYS_getdents64 SYS_getcwd SYS_chdir SYS_fcntl SYS_flock
    SYS_fsync SYS_fdatasync SYS_sync_file_range SYS_syncfs SYS_sync SYS_truncate SYS_ftruncate SYS_fallocate
    SYS_fadvise64 SYS_readahead SYS_copy_file_range SYS_sendfile SYS_splice SYS_mkdirat SYS_unlinkat SYS_renameat2
    SYS_linkat SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_utimensat SYS_umask SYS_dup SYS_dup3 SYS_pipe2 },
    // Memory.
    calls! { SYS_munmap SYS_mremap SYS_madvise SYS_brk SYS_msync SYS_mincore SYS_mlock SYS_mlock2 SYS_munlock
    SYS_membarrier },
    // Threads and children, and what these give up in their turn.
    calls! { SYS_execve SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_set_tid_address SYS_set_robust_list
    SYS_get_robust_list SYS_rseq SYS_futex SYS_futex_waitv SYS_sched_yield SYS_sched_getaffinity SYS_getpid SYS_gettid
    SYS_getppid SYS_getpgid SYS_getsid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getgroups SYS_getresuid
    SYS_getresgid SYS_capget SYS_kill SYS_tgkill SYS_pidfd_open SYS_pidfd_send_signal SYS_prlimit64 SYS_getrusage
    SYS_times SYS_sysinfo SYS_uname SYS_getcpu SYS_getrandom SYS_seccomp SYS_landlock_create_ruleset
    SYS_landlock_add_rule SYS_landlock_restrict_self },
    // Signals, time and waiting.
    calls! { SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_rt_sigtimedwait
    SYS_rt_sigsuspend SYS_sigaltstack SYS_restart_syscall SYS_signalfd4 SYS_clock_gettime SYS_clock_getres
    SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_ppoll SYS_pselect6 },
    // Sockets; which ones is a rule below.
    calls! { SYS_socketpair SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_getsockname SYS_getpeername
    SYS_setsockopt SYS_getsockopt SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg
    SYS_shutdown },
    OLDER,
];

/// Older words for the same things, where a kernel has them.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = calls! { SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_mkdir SYS_rmdir
SYS_unlink SYS_rename SYS_renameat SYS_link SYS_symlink SYS_chmod SYS_dup2 SYS_pipe SYS_getdents SYS_getrlimit
SYS_setrlimit SYS_getpgrp SYS_fork SYS_vfork SYS_arch_prctl SYS_time SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_poll
SYS_select };
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = calls! { SYS_renameat };
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLDER: &[c_long] = &[];

/// The flags with which `clone` makes a namespace.
const NAMESPACES: c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// The bits of a socket's type that are its kind.
const KIND: u64 = 0xf;

/// A condition on an argument.
fn argument(index: u8, is: Is, value: u64) -> Result<If, BackendError> {
    If::new(index, Width::Dword, is, value)
}

/// A number of the kernel's as the filter compares it.
fn bits(value: c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

/// What may be called with some arguments: each rule is one way.
fn with_arguments() -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
    let (write, exec) = (bits(libc::PROT_WRITE), bits(libc::PROT_EXEC));
    let lacks = |index, mask| argument(index, Is::MaskedEq(mask), 0);
    let family = |family| argument(0, Is::Eq, bits(family));
    let stream = || argument(1, Is::MaskedEq(KIND), bits(libc::SOCK_STREAM));
    Ok(vec![
        // No memory is ever both written to and run.
        (
            libc::SYS_mmap,
            vec![
                SeccompRule::new(vec![lacks(2, write)?])?,
                SeccompRule::new(vec![lacks(2, exec)?])?,
            ],
        ),
        (libc::SYS_mprotect, vec![SeccompRule::new(vec![lacks(2, exec)?])?]),
        (libc::SYS_clone, vec![SeccompRule::new(vec![lacks(0, bits(NAMESPACES))?])?]),
        (
            libc::SYS_socket,
            vec![
                SeccompRule::new(vec![family(libc::AF_UNIX)?])?,
                SeccompRule::new(vec![family(libc::AF_INET)?, stream()?])?,
                SeccompRule::new(vec![family(libc::AF_INET6)?, stream()?])?,
            ],
        ),
        // What was made closed to other processes stays so.
        (
            libc::SYS_prctl,
            vec![SeccompRule::new(vec![argument(0, Is::Ne, bits(libc::PR_SET_DUMPABLE))?])?],
        ),
        // Nothing is typed into the terminal that it was started from.
        (
            libc::SYS_ioctl,
            vec![SeccompRule::new(vec![
                argument(1, Is::Ne, u64::from(TYPED))?,
                argument(1, Is::Ne, u64::from(PASTED))?,
            ])?],
        ),
    ])
}

/// `TIOCSTI` and `TIOCLINUX`.
const TYPED: u32 = 0x5412;
const PASTED: u32 = 0x541c;

/// The filter for this machine's kind of processor.
///
/// # Errors
/// Where there is none for it.
pub(super) fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().copied().flatten().map(|call| (*call, Vec::new())).collect();
    rules.extend(with_arguments()?);
    let arch = std::env::consts::ARCH.try_into()?;
    let unknown = SeccompAction::Errno(bits(libc::ENOSYS) as u32);
    SeccompFilter::new(rules, unknown, SeccompAction::Allow, arch)?.try_into()
}
