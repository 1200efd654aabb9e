//! An encode's progress, and its end before time.

use std::time::{Duration, Instant};

/// Who cancels waits no longer than this for what is being measured.
pub(super) const GRACE: Duration = Duration::from_millis(120);
/// Time between reports of what takes long and has no steps.
const PAUSE: Duration = Duration::from_millis(20);

/// A phase of an encode.
#[derive(Clone, Copy)]
pub(super) enum Phase {
    /// Measuring the pictures and the base model.
    Preparing,
    /// Fine-tuning the base model.
    Training,
    /// Measuring what was learnt.
    Choosing,
}

impl Phase {
    /// The part of the whole encode that the phase takes: start and end.
    fn range(self) -> (f64, f64) {
        match self {
            Self::Preparing => (0.0, 0.05),
            Self::Training => (0.05, 0.9),
            Self::Choosing => (0.9, 1.0),
        }
    }
}

/// Tells the host how far an encode is, and whether it goes on.
pub(super) struct Progress<'a> {
    progress: &'a mut dyn FnMut(f64) -> bool,
    phase: Phase,
    /// Part of the whole encode that is done, as told last.
    fraction: f64,
    told: Instant,
    canceled: Option<Instant>,
    pause: Duration,
    grace: Duration,
}

impl<'a> Progress<'a> {
    /// `progress` gets the fraction done and returns whether to go on; after a no it is not called
    /// again.
    pub fn new(progress: &'a mut dyn FnMut(f64) -> bool) -> Self {
        let told = Instant::now();
        let (phase, fraction, canceled) = (Phase::Preparing, 0.0, None);
        Self { progress, phase, fraction, told, canceled, pause: PAUSE, grace: GRACE }
    }

    /// Begins a phase.
    pub fn begin(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Tells that `fraction` of the phase is done; returns whether to go on.
    pub fn tell(&mut self, fraction: f64) -> bool {
        let (start, end) = self.phase.range();
        self.fraction = self.fraction.max(start + (end - start) * fraction);
        if self.canceled.is_none() && !(self.progress)(self.fraction) {
            self.canceled = Some(Instant::now());
        }
        self.told = Instant::now();
        !self.canceled()
    }

    /// Tells as [`tell`](Self::tell) does, unless it told a moment ago; returns whether to go on.
    pub fn poll(&mut self, fraction: f64) -> bool {
        !self.canceled() && (self.told.elapsed() < self.pause || self.tell(fraction))
    }

    /// Polls while something is being measured, which goes on for a short time when canceled: it
    /// may be what makes the result better.
    pub fn measuring(&mut self, fraction: f64) -> bool {
        self.poll(fraction) || self.canceled.is_some_and(|since| since.elapsed() < self.grace)
    }

    /// Whether the host wants no more.
    pub fn canceled(&self) -> bool {
        self.canceled.is_some()
    }
}

#[cfg(test)]
impl<'a> Progress<'a> {
    /// A progress that always tells, and for which nothing goes on when canceled.
    pub fn strict(progress: &'a mut dyn FnMut(f64) -> bool) -> Self {
        Self { pause: Duration::ZERO, grace: Duration::ZERO, ..Self::new(progress) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_rise_through_the_phases() {
        let mut told = Vec::new();
        let mut callback = |fraction| {
            told.push(fraction);
            true
        };
        let mut progress = Progress::new(&mut callback);
        for phase in [Phase::Preparing, Phase::Training, Phase::Choosing] {
            progress.begin(phase);
            assert!(
                progress.tell(0.0)
                    && progress.tell(0.5)
                    && progress.tell(0.25)
                    && progress.tell(1.0)
            );
        }
        assert!(told.is_sorted() && told[0] == 0.0 && told[11] == 1.0, "{told:?}");
        assert!(told[4] == told[3] && told[8] == told[7]);
    }

    #[test]
    fn who_cancels_is_not_asked_again() {
        let mut calls = 0;
        let mut callback = |_| {
            calls += 1;
            calls < 3
        };
        let mut progress = Progress::new(&mut callback);
        // However often asked, it tells nothing while that is not long ago.
        progress.told += Duration::from_secs(3600);
        for _ in 0..100 {
            assert!(progress.poll(0.0) && progress.measuring(0.0));
        }
        assert!(progress.tell(0.1) && progress.tell(0.1) && !progress.canceled());
        assert!(!progress.tell(0.1) && progress.canceled());
        assert!(!progress.tell(0.2) && !progress.poll(0.0) && progress.measuring(0.0));
        progress.grace = Duration::ZERO;
        assert!(!progress.measuring(0.2));
        assert_eq!(calls, 3);
    }
}
