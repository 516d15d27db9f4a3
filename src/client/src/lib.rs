//! What runs on an endpoint, for the agent and the command line: today, taking its inventory.
//!
//! Everything works below a root directory, so that machines in folders can be looked at like the
//! running one. **Invariant:** nothing here changes the machine.

mod error;
mod inventory;

pub use error::Error;
pub use inventory::take_inventory;
