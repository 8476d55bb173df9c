//! A partition's slot moves from one server of a Redis Cluster to another, and back.

use super::{Happening, World};

impl World {
    /// The keys of a partition go to the other server. Until they are all there, no script runs.
    pub(crate) fn move_slot(&mut self, part: usize, range: (u64, u64)) {
        if !self.servers[part].is_up || self.servers[part].is_moving {
            return;
        }
        let time = self.random.between(range);
        self.write_down(&format!("the slot of partition {part} is moved within {time} µs"));
        self.servers[part].is_moving = true;
        self.plan(time, Happening::SlotMoved(part));
    }

    /// Not if the server ended on the way.
    pub(super) fn slot_moved(&mut self, part: usize) {
        if self.servers[part].is_moving {
            self.write_down(&format!("the slot of partition {part} has moved"));
            let written = self.servers[part].moved(self.now);
            self.send_down(written);
            self.redis_works(part);
        }
    }
}
