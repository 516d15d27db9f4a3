//! Microseconds an inventory against `apt list --upgradable` on the same sources and status, in one run:
//! one JSON line. `applicable STATUS < TARGETS`, with `APT_CONFIG` set; each line of TARGETS is a file, a
//! site, a component and an architecture, as `apt-get indextargets` prints them.
#![allow(clippy::print_stdout)]

use ids::Timestamp;
use std::{
    error::Error,
    fs,
    io::{self, BufRead as _},
    process::Command,
    time::{Duration, Instant},
};
use vendor_apt::{Inventory, Machine, Offer, Offers, Release, parse_packages};

const INVENTORIES: u32 = 1000;
const RUNS_OF_APT: u32 = 5;

fn offer(line: &str) -> Result<Offer, Box<dyn Error>> {
    let words: Vec<&str> = line.split(' ').collect();
    let [file, site, component, architecture] = words[..] else { return Err(line.into()) };
    let (stem, _) = file.rsplit_once(&format!("_{component}_")).ok_or(file)?;
    let signed = fs::read_to_string(format!("{stem}_InRelease"))?;
    let text = signed.split("\n\n").nth(1).ok_or(stem)?;
    let text = text.split("-----BEGIN PGP SIGNATURE-----").next().ok_or(stem)?;
    Ok(Offer {
        facts: Release::parse(text.as_bytes())?.facts,
        component: component.to_owned(),
        architecture: architecture.to_owned(),
        site: site.split('/').nth(2).unwrap_or("").to_owned(),
        packages: parse_packages(&fs::read(file)?)?.into(),
    })
}

/// How long one of `count` runs takes.
fn each(
    count: u32,
    mut act: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    for _ in 0..count {
        act()?;
    }
    Ok(start.elapsed() / count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let status = fs::read(std::env::args().nth(1).ok_or("name a status file")?)?;
    let pins = vec!["Package: *\nPin: release a=*-backports\nPin-Priority: 50\n".to_owned()];
    let inventory = Inventory::take("bench".into(), Timestamp::UNIX_EPOCH, &status, &[], pins)?;
    let mut offers = Vec::new();
    for line in io::stdin().lock().lines() {
        offers.push(offer(&line?)?);
    }
    let offered: usize = offers.iter().map(|offer| offer.packages.len()).sum();
    let start = Instant::now();
    let offers = Offers::index(offers)?;
    let indexing = start.elapsed();

    let machine = Machine::of(&inventory)?;
    let answer = offers.applicable_to(&machine);
    let whole = each(INVENTORIES, || {
        let again = offers.applicable(&inventory)?;
        if again.len() == answer.len() { Ok(()) } else { Err("the answer changed".into()) }
    })?;
    let asked = each(INVENTORIES, || {
        let again = offers.applicable_to(&machine);
        if again.len() == answer.len() { Ok(()) } else { Err("the answer changed".into()) }
    })?;
    let mut listed = 0;
    let apt = each(RUNS_OF_APT, || {
        let done = Command::new("apt").args(["list", "--upgradable"]).output()?;
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        listed = told.lines().filter(|line| line.contains("[upgradable from:")).count();
        Ok(())
    })?;
    println!(
        "{{\"offered\":{offered},\"installed\":{},\"applicable\":{},\"apt_lists\":{listed},\
         \"index_ms\":{},\"inventory_us\":{},\"of_that_the_question_us\":{},\"apt_us\":{},\
         \"ratio\":{:.0}}}",
        inventory.installed()?.len(),
        answer.len(),
        indexing.as_millis(),
        whole.as_micros(),
        asked.as_micros(),
        apt.as_micros(),
        apt.as_secs_f64() / whole.as_secs_f64(),
    );
    Ok(())
}
