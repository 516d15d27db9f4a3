//! The appliance's use cases: one file each.
