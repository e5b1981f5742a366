//! A growing buffer for bytes that may be secret: nothing of them stays behind in freed memory.

use zeroize::{Zeroize, Zeroizing};

/// Bytes that are overwritten when they are cleared, outgrown or dropped.
#[derive(Default)]
pub struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends. A `Vec` would leave its old bytes behind when it moves to a larger place.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let capacity = needed
                .max(self.0.capacity().saturating_mul(2))
                .max(SMALLEST);
            let mut larger = Vec::with_capacity(capacity);
            larger.extend_from_slice(&self.0);
            // the old one is zeroized as it drops
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(bytes);
    }

    /// Overwrites and forgets; an unusually large place is given back.
    pub fn clear(&mut self) {
        if self.0.capacity() > LARGEST_KEPT {
            self.0 = Zeroizing::default();
        } else {
            // only what is used: zeroizing the spare capacity too would cost more than the scan
            self.0.as_mut_slice().zeroize();
            self.0.truncate(0);
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const SMALLEST: usize = 64 * 1024;
/// etcd takes 1.5 MiB in one request, so what is above is no usual object.
const LARGEST_KEPT: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_forgets() {
        let mut buffer = SecretBuffer::new();
        for _ in 0..100 {
            buffer.extend(&[7; 1000]);
        }
        assert_eq!(buffer.len(), 100_000);
        assert!(buffer.bytes().iter().all(|byte| *byte == 7));
        buffer.clear();
        assert!(buffer.is_empty());
        assert!(buffer.0.capacity() >= 100_000, "the place is kept");
        buffer.extend(&vec![1; LARGEST_KEPT + 1]);
        buffer.clear();
        assert_eq!(buffer.0.capacity(), 0, "an unusually large one is not");
    }
}
