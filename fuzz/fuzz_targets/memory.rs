//! The readers and the decoder while memory can't be had: two bytes say from which allocation on, one what reads the
//! rest. (An abort is a finding.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidelight::carriage::jpeg;
use sidelight::carriage::nal::{Framing, NalCodec, Stream};
use sidelight::network::{CodecKind, Condition, Model, Prepared};
use sidelight::payload::header::HEADER_SIZE;
use sidelight::{
    probe, Codec, CodecParams, Decoder, DecoderSettings, Error, Layout, ModelSize, PictureType,
    Result,
};
use sidelight_fuzz::hostile::{nameable, seal_model, seal_payload, Owned, BINDING};
use sidelight_fuzz::Input;
use std::alloc::{GlobalAlloc, Layout as MemoryLayout, System};
use std::cell::Cell;

struct Failing;

thread_local! {
    /// Allocations until all fail; below 0: none does.
    static LEFT: Cell<isize> = const { Cell::new(-1) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: the system's allocator does the work. (Growing and zeroed memory come here too.)
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: MemoryLayout) -> *mut u8 {
        match LEFT.get() {
            0 => {
                FAILED.set(true);
                return std::ptr::null_mut();
            }
            left => LEFT.set((left - 1).max(-1)),
        }
        // SAFETY: forwarded.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: MemoryLayout) {
        // SAFETY: forwarded.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Does `work` with memory for `left` allocations; below 0: for all.
fn with<T>(left: isize, work: impl FnOnce() -> T) -> T {
    FAILED.set(false);
    LEFT.set(left);
    let result = work();
    LEFT.set(-1);
    result
}

/// What `work` gives where memory ends after `left` allocations: the same as where it does not, or the error.
fn starved<T: PartialEq + std::fmt::Debug>(left: usize, work: impl Fn() -> Result<T>) {
    let expected = work();
    let found = with(left as isize, &work);
    if !FAILED.get() || found.as_ref().err() != Some(&Error::OutOfMemory) {
        assert_eq!(found, expected);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let left = input.word();
    match input.below(5) {
        0 => payload(&mut input, left),
        1 => {
            let len = input.below(64);
            let payload = input.piece(len);
            let file = input.rest();
            starved(left, || jpeg::info(file));
            starved(left, || jpeg::extract(file));
            starved(left, || jpeg::insert(file, payload));
            starved(left, || jpeg::remove_anyway(file));
        }
        2 => stream(&mut input, left),
        3 => model(&mut input, left),
        _ => decoder(&mut input, left),
    }
});

/// A payload of a known model, behind its header.
fn payload_of(input: &mut Input) -> (Vec<u8>, CodecKind) {
    let models = nameable();
    let model = models[input.below(models.len())];
    let mut payload = vec![0; HEADER_SIZE];
    payload[0] = input.byte() % 3;
    payload[1..5].copy_from_slice(&model.id.to_le_bytes());
    if model.codec == CodecKind::Hevc {
        payload.extend([0; 3].map(|_| input.byte() % 53));
    }
    payload.extend(input.rest());
    seal_payload(&mut payload, BINDING);
    (payload, model.codec)
}

fn payload(input: &mut Input, left: usize) {
    let (payload, _) = payload_of(input);
    starved(left, || probe(&payload));
}

fn stream(input: &mut Input, left: usize) {
    let kind = input.byte();
    let codec = [NalCodec::H264, NalCodec::Hevc, NalCodec::Vvc][usize::from(kind % 3)];
    let framing = if kind < 128 { Framing::AnnexB } else { Framing::LengthPrefixed(4) };
    let bytes = input.rest();
    starved(left, || {
        let mut stream = Stream::new(codec, framing)?;
        stream.push(bytes)?;
        stream.finish();
        let mut last = (0, Vec::new(), None);
        while let Some(unit) = stream.next_unit()? {
            let with = unit.has_picture().then_some(&b"payload"[..]);
            last = (last.0 + 1, unit.rewrite(with)?, unit.payload()?);
        }
        Ok(last)
    });
}

fn model(input: &mut Input, left: usize) {
    let models = nameable();
    let mut file = models[input.below(models.len())].clone().write_file();
    while !input.0.is_empty() {
        let at = input.word() % file.len();
        file[at] ^= input.byte();
    }
    seal_model(&mut file);
    starved(left, || {
        let model = Model::from_bytes(&file)?;
        let table = [20; 64];
        let condition = match model.codec {
            CodecKind::Jpeg => Condition::from_jpeg_tables(&table, &table, Layout::I420),
            CodecKind::Hevc => Condition::from_hevc_qp(30, PictureType::P, Layout::I420),
        };
        Prepared::new(&model, condition, None)?;
        Ok(model.single_weights()?.id)
    });
}

fn decoder(input: &mut Input, left: usize) {
    let (payload, kind) = payload_of(input);
    let codec = match kind {
        CodecKind::Jpeg => Codec::Jpeg { luma: [20; 64], chroma: None },
        CodecKind::Hevc => Codec::Hevc { qp: [30; 3] },
    };
    let params = CodecParams { codec, binding: BINDING };
    let source = Owned::<u8>::new(Layout::I420, 8, 6, 5, |i| (i * 37) as u8);
    let mut shown = [source.like(), source.like()];
    let [whole, starved] = shown.each_mut().map(|target| target.room());
    let input = source.view();
    let decode = |output| {
        let mut decoder = Decoder::new(DecoderSettings {
            threads: 1,
            skip_binding: false,
            model_size: ModelSize::Medium,
        });
        let mode = decoder.set_payload(&payload, &params)?;
        decoder.filter(&input, output)?;
        Ok(mode)
    };
    let expected = with(-1, || decode(whole));
    let found = with(left as isize, || decode(starved));
    if !FAILED.get() || found != Err(Error::OutOfMemory) {
        assert_eq!(found, expected);
        assert_eq!(shown[0].planes, shown[1].planes);
    }
}
