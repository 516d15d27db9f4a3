//! Witnesses: endpoints vouch for the log, and find out an appliance that was put back.

use crate::house::House;
use tests::copy_tree;

#[test]
fn an_appliance_put_back_to_yesterdays_copy_is_found_out_by_the_first_agent() {
    let mut house = House::new();
    let machine = house.scanned("web1");
    let vouches = |house: &House| house.endpoint("web1")["vouches"]["size"].as_u64();
    machine.run().ok();
    let first = vouches(&house).expect("it holds a checkpoint from its second check-in on");
    let yesterday = house.folder_beside("yesterday");
    house.while_stopped(|appliance| copy_tree(&appliance.data(), &yesterday));
    house.approve(&["--endpoint", "web1"]).ok();
    house.while_stopped(|_| {});
    machine.run().ok();
    machine.run().ok();
    assert!(vouches(&house).unwrap() > first);
    machine.has(["2", "2"]);
    house.while_stopped(|appliance| {
        std::fs::remove_dir_all(appliance.data()).unwrap();
        copy_tree(&yesterday, &appliance.data());
    });
    machine.run().fails().says("went back");
    let told = house.told("log-doubted");
    assert_eq!(told.len(), 1, "{told:?}");
    house.appliance.verb(&["endpoint", "list"], &[]).ok().says("ALARM").says("doubts the log");
    // It applies nothing until a person has looked.
    machine.run().fails();
    assert_eq!(house.told("log-doubted").len(), 1);
}
