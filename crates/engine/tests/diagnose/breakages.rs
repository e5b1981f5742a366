//! One thing broken, one object named.
