//! Looks at image files with `qemu-img`: a second program that sees the disk, not the machine's memory.

use crate::{Error, Look, SnapshotName, Space, child, deadline::Deadline};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

const PROGRAM: &str = "qemu-img";
/// A check of an image in use may meet tables that are half written: only what every look sees counts.
const LOOKS: usize = 3;

fn run(arguments: &[&str], file: &Path, deadline: Deadline) -> Result<child::Ended, Error> {
    let arguments = arguments.iter().map(|word| word.as_ref()).chain([file.as_os_str()]);
    child::run(PROGRAM, Path::new(PROGRAM), arguments, b"", deadline)
}

fn json(ended: &child::Ended) -> Result<Value, Error> {
    serde_json::from_slice(&ended.answer)
        .map_err(|_| Error::Garbage { who: PROGRAM.into(), reason: ended.reason() })
}

/// Why a file cannot be looked at from here, if it cannot.
pub(crate) fn out_of_sight(file: &Path) -> Option<String> {
    if !file.is_absolute() {
        return Some(format!("{} is no absolute path", file.display()));
    }
    match File::open(file) {
        Ok(_) => None,
        Err(error) => Some(format!("{} cannot be opened here ({error})", file.display())),
    }
}

/// Whether nobody holds the file any more: without `-U`, `qemu-img` respects locks.
pub(crate) fn is_free(file: &Path, deadline: Deadline) -> Result<bool, Error> {
    let ended = run(&["info", "-f", "qcow2", "--output=json"], file, deadline)?;
    Ok(ended.status.success())
}

/// The virtual size, and the names of the snapshots that stand in the file itself.
pub(crate) fn facts(file: &Path, deadline: Deadline) -> Result<(u64, Vec<String>), Error> {
    let told = json(&run(&["info", "-U", "-f", "qcow2", "--output=json"], file, deadline)?)?;
    let size = told["virtual-size"].as_u64();
    let size = size.ok_or_else(|| Error::Garbage {
        who: PROGRAM.into(),
        reason: "an image has no size".into(),
    })?;
    let names = told["snapshots"].as_array().into_iter().flatten();
    let names = names.filter_map(|snapshot| snapshot["name"].as_str()).map(str::to_owned);
    Ok((size, names.collect()))
}

/// Checks the tables of an image. The text is what is wrong.
pub(crate) fn check(file: &Path, deadline: Deadline) -> Result<Result<(), String>, Error> {
    let mut wrong = String::new();
    for _ in 0..LOOKS {
        let ended = run(&["check", "-U", "-f", "qcow2", "--output=json"], file, deadline)?;
        let told = json(&ended)?;
        let count = |key: &str| told[key].as_u64().unwrap_or(0);
        // Leaks waste room and harm nothing; exit code 3 is leaks alone.
        if matches!(ended.status.code(), Some(0 | 3))
            && count("corruptions") + count("check-errors") == 0
        {
            return Ok(Ok(()));
        }
        wrong = format!(
            "{} is damaged ({} corruptions, {} errors of the check)",
            file.display(),
            count("corruptions"),
            count("check-errors")
        );
        deadline.pause(Duration::from_millis(100), PROGRAM)?;
    }
    Ok(Err(wrong))
}

/// Reads the whole content of a snapshot (or of the file itself) and throws it away. The size read.
pub(crate) fn read(
    file: &Path,
    snapshot: Option<&SnapshotName>,
    deadline: Deadline,
) -> Result<Result<u64, String>, Error> {
    let (size, _) = facts(file, deadline)?;
    let sink = format!("driver=null-co,size={size}");
    let name = snapshot.map(|name| format!("snapshot.name={name}"));
    let mut words: Vec<&OsStr> =
        ["convert", "-U", "-f", "qcow2", "-n", "--target-image-opts"].map(AsRef::as_ref).to_vec();
    if let Some(name) = &name {
        words.extend::<[&OsStr; 2]>(["-l".as_ref(), name.as_ref()]);
    }
    words.extend([file.as_os_str(), sink.as_ref()]);
    let ended = child::run(PROGRAM, Path::new(PROGRAM), words, b"", deadline)?;
    if ended.status.success() {
        return Ok(Ok(size));
    }
    Ok(Err(format!("{} cannot be read: {}", file.display(), ended.reason())))
}

/// Copies the content of a snapshot (or of the file itself) into a new image.
pub(crate) fn copy(
    file: &Path,
    snapshot: Option<&SnapshotName>,
    to: &Path,
    deadline: Deadline,
) -> Result<Result<(), String>, Error> {
    let name = snapshot.map(|name| format!("snapshot.name={name}"));
    let mut words: Vec<&OsStr> =
        ["convert", "-U", "-f", "qcow2", "-O", "qcow2"].map(AsRef::as_ref).to_vec();
    if let Some(name) = &name {
        words.extend::<[&OsStr; 2]>(["-l".as_ref(), name.as_ref()]);
    }
    words.extend([file.as_os_str(), to.as_os_str()]);
    let ended = child::run(PROGRAM, Path::new(PROGRAM), words, b"", deadline)?;
    if ended.status.success() {
        return Ok(Ok(()));
    }
    Ok(Err(format!("{} cannot be copied: {}", file.display(), ended.reason())))
}

/// Puts a file that nobody holds back to a snapshot in it, and checks it.
pub(crate) fn apply(file: &Path, name: &SnapshotName, deadline: Deadline) -> Result<(), Error> {
    let wrong = |reason| Error::NotRestored { name: name.to_string(), reason };
    let words = ["snapshot", "-q", "-a", name.as_str()];
    let ended = run(&words, file, deadline)?;
    if !ended.status.success() {
        return Err(wrong(format!("{}: {}", file.display(), ended.reason())));
    }
    check(file, deadline)?.map_err(wrong)
}

/// Snapshots (in the file, or the file itself) of several disks: checked, and read whole.
pub(crate) fn look(
    name: &SnapshotName,
    files: &[(&Path, bool)],
    deadline: Deadline,
) -> Result<Look, Error> {
    let mut bytes = 0;
    for (file, inside) in files {
        if let Some(reason) = out_of_sight(file) {
            return Ok(Look::NotPossible { reason });
        }
        let unproven = |reason| Error::Unproven { name: name.to_string(), reason };
        let (_, names) = match facts(file, deadline) {
            // Without the program there is no look; that is no fault of the snapshot.
            Err(Error::Start { program, source }) => {
                let reason = format!("{} cannot be started ({source})", program.display());
                return Ok(Look::NotPossible { reason });
            }
            told => told?,
        };
        if *inside && !names.iter().any(|known| known == name.as_str()) {
            return Err(unproven(format!("it does not stand in {}", file.display())));
        }
        check(file, deadline)?.map_err(unproven)?;
        bytes += read(file, inside.then_some(name), deadline)?.map_err(unproven)?;
    }
    Ok(Look::Good { how: "qemu-img checked the images and read the content whole".into(), bytes })
}

/// Throw-away copies, gone when this is.
pub(crate) struct Copies(pub(crate) Vec<PathBuf>);

impl Drop for Copies {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Copies every disk of a snapshot, checks the copies, and has them tried where the site says how.
pub(crate) fn try_copies(
    name: &SnapshotName,
    files: &[(&Path, bool)],
    scratch: Option<&Path>,
    program: Option<&[String]>,
    deadline: Deadline,
) -> Result<Look, Error> {
    let not_possible = |reason: String| Ok(Look::NotPossible { reason });
    let Some(scratch) = scratch else {
        return not_possible("no folder for copies is named".into());
    };
    if let Some(reason) = files.iter().find_map(|(file, _)| out_of_sight(file)) {
        return not_possible(reason);
    }
    let mut bytes = 0;
    for (file, _) in files {
        let metadata = fs::metadata(file);
        bytes += metadata.map_err(file_error("look at", file))?.len();
    }
    let space = space(scratch, bytes)?;
    if space.bytes_free < bytes {
        let (folder, bytes_free) = (space.folder, space.bytes_free);
        return Err(Error::NoSpace { folder, bytes_free, bytes_needed: bytes });
    }
    let unproven = |reason| Error::Unproven { name: name.to_string(), reason };
    let mut copies = Copies(Vec::new());
    for (number, (file, inside)) in files.iter().enumerate() {
        let to = scratch.join(format!("{name}-{number}-{}.qcow2", std::process::id()));
        copies.0.push(to.clone());
        copy(file, inside.then_some(name), &to, deadline)?.map_err(unproven)?;
        check(&to, deadline)?.map_err(unproven)?;
    }
    let Some([program, arguments @ ..]) = program else {
        let how = "copied and the copies checked; the binding does not say how to boot them";
        return Ok(Look::Good { how: how.into(), bytes });
    };
    let words = arguments.iter().map(AsRef::as_ref).chain(copies.0.iter().map(|p| p.as_os_str()));
    let ended = child::run("the trial of a copy", Path::new(program), words, b"", deadline)?;
    if !ended.status.success() {
        return Err(unproven(format!("a copy of it failed its trial: {}", ended.reason())));
    }
    Ok(Look::Good { how: format!("{program} tried copies and found them good"), bytes })
}

/// The room in the file system of a folder or file.
pub(crate) fn space(at: &Path, bytes_worst: u64) -> Result<Space, Error> {
    let folder = if at.is_dir() { at } else { at.parent().unwrap_or(at) };
    let told = rustix::fs::statvfs(folder)
        .map_err(|error| file_error("measure the room of", folder)(error.into()))?;
    Ok(Space {
        folder: folder.to_owned(),
        bytes_free: told.f_bavail.saturating_mul(told.f_frsize),
        bytes_total: told.f_blocks.saturating_mul(told.f_frsize),
        bytes_worst,
    })
}

pub(crate) fn file_error(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { act, path, source }
}
