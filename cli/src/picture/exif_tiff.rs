//! EXIF of TIFF files: there its fields are the picture's own directory and folders beside it.

use anyhow::Result;
use exif::{experimental::Writer, Context, Exif, Field, In, Reader, Tag, Value};
use std::io::{Cursor, Seek, Write};
use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKind, TiffKindStandard};
use tiff::tags::{Tag as TiffTag, Type};
use tiff::Directory;

/// Fields of a TIFF directory that tell of the picture around them, not of what it shows: how
/// samples are stored, and where. The numbers are of TIFF 6.0 and its supplements.
fn is_structure(tag: u16) -> bool {
    matches!(
        tag,
        // Sizes, compression, strips, tiles, colours; folders, profile; what editors store beside.
        254..=266 | 273 | 277..=281 | 284 | 288..=291 | 301 | 317..=347 | 512..=532
            | 700 | 33723 | 34377 | 34665 | 34675 | 34853 | 37724 | 40965
    )
}

fn parse(exif: &[u8]) -> Option<Exif> {
    let exif = Reader::new().continue_on_error(true).read_raw(exif.to_vec());
    exif.or_else(|error| error.distill_partial_result(|_| {})).ok()
}

/// The fields of a context that a file of another structure can have as well. Maker notes have
/// offsets that would no longer hold.
fn fields(exif: &Exif, context: Context) -> impl Iterator<Item = &Field> {
    let fields =
        exif.fields().filter(move |f| f.ifd_num == In::PRIMARY && f.tag.context() == context);
    fields.filter(|f| !is_structure(f.tag.number()) && f.tag != Tag::MakerNote)
}

/// The EXIF of a TIFF file, as other formats have it.
pub fn read(file: &[u8]) -> Option<Vec<u8>> {
    let exif = parse(file)?;
    let mut writer = Writer::new();
    let mut count = 0;
    for context in [Context::Tiff, Context::Exif, Context::Gps] {
        for field in fields(&exif, context) {
            writer.push_field(field);
            count += 1;
        }
    }
    let mut out = Cursor::new(Vec::new());
    writer.write(&mut out, exif.little_endian()).ok()?;
    (count > 0).then(|| out.into_inner())
}

/// Fields for a picture's directory, and the folders that they lead to, already written.
pub struct Folders(Directory);

impl Folders {
    /// Adds the fields to a picture's directory.
    pub fn link<W: Write + Seek, K: TiffKind>(
        &self,
        picture: &mut DirectoryEncoder<'_, W, K>,
    ) -> Result<()> {
        picture.extend_from(&self.0);
        Ok(())
    }
}

/// Writes what of `exif` belongs into folders of their own, and the values of the rest.
pub fn write<W: Write + Seek>(
    encoder: &mut TiffEncoder<W, TiffKindStandard>,
    exif: Option<&[u8]>,
) -> Result<Folders> {
    let mut own = Directory::empty();
    let Some(exif) = exif.and_then(parse) else { return Ok(Folders(own)) };
    let folders = [(Context::Exif, TiffTag::ExifDirectory), (Context::Gps, TiffTag::GpsDirectory)];
    for (context, pointer) in folders {
        let mut directory = encoder.extra_directory()?;
        let mut entries = Directory::empty();
        for field in fields(&exif, context) {
            put(&mut directory, &mut entries, field)?;
        }
        if entries.is_empty() {
            continue;
        }
        directory.extend_from(&entries);
        let at = directory.finish_with_offsets()?;
        let mut directory = encoder.extra_directory()?;
        let entry = directory.write_entry(at.offset)?;
        own.extend([(pointer, entry)]);
    }
    let mut directory = encoder.extra_directory()?;
    for field in fields(&exif, Context::Tiff) {
        put(&mut directory, &mut own, field)?;
    }
    Ok(Folders(own))
}

/// Writes a field's value and adds it to `entries`; types that the format does not have are left
/// out.
fn put<W: Write + Seek>(
    directory: &mut DirectoryEncoder<'_, W, TiffKindStandard>,
    entries: &mut Directory,
    field: &Field,
) -> Result<()> {
    fn flat<T, const N: usize>(values: &[T], bytes: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(bytes).collect()
    }
    let (ty, bytes) = match &field.value {
        Value::Byte(v) => (Type::BYTE, v.clone()),
        Value::Undefined(v, _) => (Type::UNDEFINED, v.clone()),
        Value::Ascii(v) => {
            (Type::ASCII, v.iter().flat_map(|text| [text, &b"\0"[..]].concat()).collect())
        }
        Value::Short(v) => (Type::SHORT, flat(v, |v| v.to_ne_bytes())),
        Value::Long(v) => (Type::LONG, flat(v, |v| v.to_ne_bytes())),
        Value::SLong(v) => (Type::SLONG, flat(v, |v| v.to_ne_bytes())),
        Value::SShort(v) => (Type::SSHORT, flat(v, |v| v.to_ne_bytes())),
        Value::SByte(v) => (Type::SBYTE, flat(v, |v| v.to_ne_bytes())),
        Value::Rational(v) => {
            let words: Vec<u32> = v.iter().flat_map(|v| [v.num, v.denom]).collect();
            (Type::RATIONAL, flat(&words, |v| v.to_ne_bytes()))
        }
        Value::SRational(v) => {
            let words: Vec<i32> = v.iter().flat_map(|v| [v.num, v.denom]).collect();
            (Type::SRATIONAL, flat(&words, |v| v.to_ne_bytes()))
        }
        Value::Float(_) | Value::Double(_) | Value::Unknown(..) => return Ok(()),
    };
    if !bytes.is_empty() {
        let entry = directory.write_entry_bytes(ty, &bytes)?;
        entries.extend([(TiffTag::from_u16_exhaustive(field.tag.number()), entry)]);
    }
    Ok(())
}
