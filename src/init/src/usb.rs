//! Which devices on USB are let in once the appliance runs: what stores, and hubs. Others have to be there when it starts.
//!
//! A stick may say that it is a keyboard, and type; or a network. The kernel asks for a word before a driver takes an
//! interface (`authorized`); what was there at the start, such as the machine's own keyboard, has been let in.

use crate::error::Error;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long after the start what turns up is taken for what was there: keyboards take their time.
pub(crate) const LETS_IN_FOR: Duration = Duration::from_secs(15);
const BUS: &str = "/sys/bus/usb";

/// Has the kernel let nothing in by itself from now on, on every controller that is there; the first that would not.
pub(crate) fn close() -> Result<(), Error> {
    let devices = fs::read_dir(format!("{BUS}/devices")).into_iter().flatten().flatten();
    let hubs = devices.filter(|device| device.file_name().to_string_lossy().starts_with("usb"));
    let closed = hubs.map(|hub| write(&hub.path().join("interface_authorized_default"), "0"));
    // All of them, whatever became of one.
    closed.fold(Ok(()), Result::and)
}

fn write(file: &Path, value: &str) -> Result<(), Error> {
    fs::write(file, value).map_err(|source| Error::Write { path: file.to_owned(), source })
}

/// Lets in an interface that turned up if it stores or is a hub; what is said of one that is refused.
pub(crate) fn admit(path: &str) -> Result<Option<String>, Error> {
    let interface = Path::new("/sys").join(path.trim_start_matches('/'));
    let read = |file: PathBuf| fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    if read(interface.join("authorized")) != "0" {
        return Ok(None);
    }
    let class = read(interface.join("bInterfaceClass"));
    let name = interface.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if is_let_in(&class) {
        write(&interface.join("authorized"), "1")?;
        write(Path::new(&format!("{BUS}/drivers_probe")), &name)?;
        return Ok(None);
    }
    let product = interface.parent().map(|device| read(device.join("product"))).unwrap_or_default();
    let product: String = product.chars().filter(|c| !c.is_control()).take(60).collect();
    Ok(Some(format!(
        "USB: {} was plugged in ({product}, {name}) and refused. What is not for storing has to be there when the machine starts.",
        words(&class)
    )))
}

/// Mass storage, hub (USB-IF class codes).
fn is_let_in(class: &str) -> bool {
    matches!(class, "08" | "09")
}

fn words(class: &str) -> &'static str {
    match class {
        "03" => "a keyboard or a pointer",
        "02" | "0a" | "e0" => "a network",
        _ => "something that is not for storing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stores_is_let_in_and_nothing_else() {
        let let_in: Vec<u8> =
            (0..=255).filter(|class| is_let_in(&format!("{class:02x}"))).collect();
        assert_eq!(let_in, [8, 9]);
        assert!(!is_let_in(""));
    }
}
