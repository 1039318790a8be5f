//! Frames that are made once and wait for many connections.
//!
//! Bytes go in; what comes out can be held by many, and all that are held anywhere count once in the gauge
//! of whoever made them. Deliberately absent: what they say, and what happens when they are too many.

use std::{cell::Cell, ops::Deref, rc::Rc};

/// Bytes of all frames that somebody holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Rc<Cell<usize>>);

impl Gauge {
    /// Bytes that are held now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.get()
    }
}

/// A frame that is made once, for everybody who is to have it.
#[derive(Debug, Clone)]
pub(crate) struct SharedFrame(Rc<Frame>);

#[derive(Debug)]
struct Frame {
    bytes: Box<[u8]>,
    gauge: Gauge,
}

impl SharedFrame {
    /// Shares a frame, and counts it for as long as somebody holds it.
    pub(crate) fn new(bytes: Vec<u8>, gauge: &Gauge) -> Self {
        let gauge = gauge.clone();
        gauge.0.set(gauge.bytes() + bytes.len());
        let bytes = bytes.into();
        Self(Rc::new(Frame { bytes, gauge }))
    }

    /// Another frame, which counts where this one does.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn forged(&self, bytes: Vec<u8>) -> Self {
        Self::new(bytes, &self.0.gauge)
    }

    /// Whether both are the same one.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for SharedFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let left = self.gauge.bytes() - self.bytes.len();
        self.gauge.0.set(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_counts_once_for_as_long_as_somebody_holds_it() {
        let gauge = Gauge::default();
        let one = SharedFrame::new(vec![1; 10], &gauge);
        let same = one.clone();
        let other = SharedFrame::new(vec![2; 5], &gauge);
        assert!(one.is(&same) && !one.is(&other));
        assert_eq!(gauge.bytes(), 15);
        drop(one);
        assert_eq!(gauge.bytes(), 15);
        drop((same, other));
        assert_eq!(gauge.bytes(), 0);
    }
}
