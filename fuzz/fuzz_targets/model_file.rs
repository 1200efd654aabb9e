//! Model files. Byte 0 of the input says what they are made of: the input alone, an embedded model
//! with bytes changed, or a network of any shape whose parameters repeat the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidelight::network::Arch;
use sidelight::network::prior::CONTEXTS;
use sidelight_fuzz::hostile::{model, seal_model};
use sidelight_fuzz::Input;

const EMBEDDED: [&[u8]; 4] = [
    include_bytes!("../../models/jpeg-ycc-16x3.slm"),
    include_bytes!("../../models/jpeg-ycc-32x3.slm"),
    include_bytes!("../../models/jpeg-standard-16x3.slm"),
    include_bytes!("../../models/hevc-16x3.slm"),
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.below(32);
    let mut file = match kind {
        0 | 1 => input.rest().to_vec(),
        2 | 3 => {
            let mut file = EMBEDDED[input.below(EMBEDDED.len())].to_vec();
            change(&mut file, &mut input);
            file
        }
        _ => {
            let mut file = of_any_shape(&mut input);
            change(&mut file, &mut input);
            file
        }
    };
    if kind % 2 == 0 || kind > 4 {
        seal_model(&mut file);
    }
    model(&file);
});

/// Sets up to seven bytes anywhere, and cuts off or appends up to seven.
fn change(file: &mut Vec<u8>, input: &mut Input) {
    for _ in 0..input.below(8) {
        let at = (input.word() << 8 | usize::from(input.byte())) % file.len();
        file[at] = input.byte();
    }
    let len = match input.below(32) {
        n @ 1..8 => file.len() + n,
        n @ 8..16 => file.len() - n,
        _ => file.len(),
    };
    file.resize(len, 1);
}

/// A file of the right length, most often with parameters that pass the proof.
fn of_any_shape(input: &mut Input) -> Vec<u8> {
    // Small ones most often, for speed.
    let mut arch = |of: fn(usize, usize) -> Arch| {
        let channels = [16, 16, 16, 16, 16, 16, 32, 64][input.below(8)];
        of(channels, [1, 1, 1, 1, 1, 1, 2, 8][input.below(8)])
    };
    let luma = arch(Arch::luma);
    let chroma = arch(Arch::chroma);
    let options = input.byte();
    let chroma = (options & 1 != 0).then_some(chroma);
    let wild = options & 6 == 6;
    let seed = input.piece(32);
    let mut numbers = seed.iter().cycle().copied();
    let mut number = || numbers.next().unwrap_or(7);
    let mut file = b"SLMODEL3".to_vec();
    file.push(1 + (options >> 7));
    for arch in [Some(luma), chroma] {
        file.extend(arch.map_or([0; 2], |a| [a.channels as u8, a.hidden as u8]));
    }
    file.push(0);
    file.extend((CONTEXTS as u16).to_le_bytes());
    file.extend((0..CONTEXTS).map(|_| number()));
    for arch in [Some(luma), chroma].into_iter().flatten() {
        for layer in 0..arch.layers() {
            let (cin, cout) = arch.layer(layer);
            let shift = if wild { number() } else { 8 + number() % 24 };
            file.push(shift);
            file.extend((1 + u16::from(number()) * 128).to_le_bytes());
            let weights = (0..9 * cin * cout).map(|_| number() as i8);
            if wild {
                file.push(2);
                file.extend(weights.flat_map(|w| i16::from(w).wrapping_mul(257).to_le_bytes()));
            } else {
                file.push(1);
                file.extend(weights.map(|w| w as u8));
            }
            for _ in 0..(arch.phases(layer) + arch.features) * cout {
                file.extend((i32::from(number() as i8) * 1025).to_le_bytes());
            }
            for _ in 0..cout {
                let most = 1i32 << (shift % 31).min(8);
                file.extend((1 + i32::from(number()) % most).to_le_bytes());
            }
            for _ in 0..2 * cout {
                file.extend((1 + i32::from(number())).to_le_bytes());
            }
            for _ in 0..cin {
                file.extend((i16::from(number() as i8) * 256).to_le_bytes());
            }
            let entries = 9 * 9 + cin * cin + cout * cout;
            file.extend((0..entries).map(|_| (number() as i8).max(-127) as u8));
            // Steps of coefficients: from what changes no weight to what most often moves them to
            // their limits.
            let factor = if wild { 1 << 18 } else { 1 << 8 };
            for _ in 0..9 * cin + cout {
                file.extend(((1 + i32::from(number())) * factor).to_le_bytes());
            }
            for _ in 0..cin + cout {
                file.extend((1 + i32::from(number())).to_le_bytes());
            }
            file.extend((0..2 * cout).map(|_| number() % 20));
            file.extend((0..9 * cin + cout).map(|_| number() % 24));
        }
    }
    file.extend([0; 8]);
    file
}
