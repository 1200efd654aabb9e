//! Filtering takes no memory from the heap once a picture of the size has been filtered.

use sidelight::capi::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does the work. (Growing and zeroed memory come here too.)
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: forwarded.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: forwarded.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WIDTH: u32 = 150;
const HEIGHT: u32 = 90;

fn picture(planes: &mut [Vec<u8>; 3]) -> SidelightPicture {
    let stride = WIDTH as isize;
    SidelightPicture {
        data: planes.each_mut().map(|p| p.as_mut_ptr().cast()),
        stride: [stride; 3],
        width: WIDTH,
        height: HEIGHT,
        layout: SidelightLayout::I444 as u32,
        bit_depth: 8,
        picture_type: SidelightPictureType::Irap as u32,
        reserved: [0; 20],
    }
}

#[test]
fn only_the_first_picture_allocates() {
    let plane = || vec![77; (WIDTH * HEIGHT) as usize];
    let (mut source, mut target) = ([plane(), plane(), plane()], [plane(), plane(), plane()]);
    let (input, output) = (picture(&mut source), picture(&mut target));
    // SAFETY: a struct of numbers; zeros are what the header asks to start from.
    let mut params: SidelightCodecParams = unsafe { std::mem::zeroed() };
    params.codec = SidelightCodec::Jpeg as u32;
    params.quant = [[30; 64]; 2];
    let settings =
        SidelightDecoderSettings { threads: 1, skip_binding: 0, model_size: 0, reserved: [0; 15] };
    let mut decoder = std::ptr::null_mut();
    // SAFETY: every pointer is to a live value of its type, and the planes have their sizes.
    unsafe {
        assert_eq!(sidelight_decoder_open(&settings, &mut decoder), 0);
        assert_eq!(sidelight_decoder_set_mode(decoder, SidelightMode::Base as u32, &params), 0);
        let filter = || {
            assert_eq!(sidelight_decoder_filter(decoder, &input, &output), 0);
            assert_eq!(sidelight_decoder_filter_band(decoder, &input, &output, 16, 48), 0);
            ALLOCATIONS.load(Ordering::Relaxed)
        };
        let first = filter();
        assert_eq!(filter(), first);
        sidelight_decoder_close(&mut decoder);
    }
}
