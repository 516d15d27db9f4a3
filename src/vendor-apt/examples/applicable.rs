//! Microseconds an inventory against `apt list --upgradable` on the same sources and status, in one run:
//! one JSON line. `ratio` is of an inventory that the appliance has read, as it has those of all its
//! endpoints, `ratio_unread` of one that comes anew; the figures of `fleet` are of 1,000 endpoints that
//! differ. `applicable STATUS < TARGETS`, with `APT_CONFIG` set; each line of TARGETS is a file, a
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
use vendor_apt::{Inventory, Machine, Offer, Offers, Pool, Release, parse_packages};

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

/// A thousand machines, on each of which every so many packages are older.
fn fleet(status: &str) -> Result<Vec<Inventory>, Box<dyn Error>> {
    let mut all = Vec::new();
    for number in 0..INVENTORIES {
        let (every, mut count) = (2 + number % 50, number);
        let mut text = String::with_capacity(status.len());
        for line in status.lines() {
            count += u32::from(line.starts_with("Version: "));
            let older = line.starts_with("Version: ") && count % every == 0 && !line.ends_with('~');
            text.extend([line, if older { "~\n" } else { "\n" }]);
        }
        let host = format!("bench{number}");
        let at = Timestamp::UNIX_EPOCH;
        all.push(Inventory::take(host, at, text.as_bytes(), &[], Vec::new())?);
    }
    Ok(all)
}

/// Figures of a fleet: reading it, asking for all of it, closing over all of it, and asking again after an
/// import that changed ten packages. Milliseconds.
fn of_fleet(offers: &mut [Offer], index: &Offers, status: &str) -> Result<String, Box<dyn Error>> {
    let inventories = fleet(status)?;
    let (mut pool, begun) = (Pool::default(), Instant::now());
    let machines = inventories.iter().map(|inventory| Machine::of_pool(inventory, &mut pool));
    let machines = machines.collect::<Result<Vec<_>, _>>()?;
    let reading = begun.elapsed().as_millis();
    let begun = Instant::now();
    let applicable: usize = machines.iter().map(|m| index.applicable_to(m).len()).sum();
    let asking = begun.elapsed().as_millis();
    let begun = Instant::now();
    let needed: usize = machines.iter().map(|m| index.closure(m, &|_, _| true).needed.len()).sum();
    let closing = begun.elapsed().as_millis();
    // They are not offered any more.
    let ten = machines.first().map(|m| index.applicable_to(m)).unwrap_or_default();
    let ten: Vec<&str> = ten.iter().take(10).map(|update| update.name()).collect();
    for offer in &mut *offers {
        let left = offer.packages.iter().filter(|package| !ten.contains(&&*package.name));
        offer.packages = left.cloned().collect::<Vec<_>>().into();
    }
    let begun = Instant::now();
    let after = Offers::index(offers.to_vec())?;
    let changed = after.changed(index);
    let touched: Vec<_> = machines.iter().filter(|m| m.has_any(&changed)).collect();
    let again: usize = touched.iter().map(|m| after.applicable_to(m).len()).sum();
    Ok(format!(
        "{{\"endpoints\":{},\"applicable\":{applicable},\"needed\":{needed},\"reading_ms\":{reading},\
         \"asking_ms\":{asking},\"closure_ms\":{closing},\"after_import_ms\":{},\"touched\":{},\
         \"asked_again\":{again}}}",
        machines.len(),
        begun.elapsed().as_millis(),
        touched.len(),
    ))
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
    let mut sources = offers.clone();
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
    let ratio = |of: Duration| apt.as_secs_f64() / of.as_secs_f64();
    let fleet = of_fleet(&mut sources, &offers, &String::from_utf8(status)?)?;
    println!(
        "{{\"offered\":{offered},\"installed\":{},\"applicable\":{},\"apt_lists\":{listed},\
         \"index_ms\":{},\"unread_us\":{},\"question_us\":{},\"apt_us\":{},\"ratio\":{:.0},\
         \"ratio_unread\":{:.0},\"fleet\":{fleet}}}",
        inventory.installed()?.len(),
        answer.len(),
        indexing.as_millis(),
        whole.as_micros(),
        asked.as_micros(),
        apt.as_micros(),
        ratio(asked),
        ratio(whole),
    );
    Ok(())
}
