#include "jpeg_metadata.h"

#include <stdlib.h>
#include <string.h>

#define EXIF_MARKER (JPEG_APP0 + 1)
#define ICC_MARKER (JPEG_APP0 + 2)
#define MAX_SEGMENT 65533

/* In front of the TIFF file in a segment, with two zeros. */
static const uint8_t exif_name[6] = "Exif";

void jpeg_write_metadata(struct jpeg_compress_struct *cinfo, const Metadata *metadata) {
  const Bytes *exif = &metadata->exif;
  if (exif->data && exif->size <= MAX_SEGMENT - sizeof exif_name) {
    jpeg_write_m_header(cinfo, EXIF_MARKER, (unsigned)(sizeof exif_name + exif->size));
    for (size_t i = 0; i < sizeof exif_name; i++)
      jpeg_write_m_byte(cinfo, exif_name[i]);
    for (size_t i = 0; i < exif->size; i++)
      jpeg_write_m_byte(cinfo, exif->data[i]);
  } else if (exif->data) {
    fprintf(stderr, "EXIF of %zu bytes is too large for a JPEG file, and left out\n", exif->size);
  }
  if (metadata->icc.data)
    jpeg_write_icc_profile(cinfo, metadata->icc.data, (unsigned)metadata->icc.size);
}

/* Who decodes the picture tells what is wrong with the file. */
static void say_nothing(j_common_ptr cinfo) {
  (void)cinfo;
}

int jpeg_read_metadata(const char *name, const uint8_t *data, size_t size, Metadata *metadata) {
  struct jpeg_decompress_struct cinfo;
  ErrorManager errors;
  memset(&cinfo, 0, sizeof cinfo);
  memset(metadata, 0, sizeof *metadata);
  cinfo.err = error_manager(&errors, name);
  errors.base.output_message = say_nothing;
  if (setjmp(errors.out)) {
    jpeg_destroy_decompress(&cinfo);
    return 1;
  }
  jpeg_create_decompress(&cinfo);
  jpeg_mem_src(&cinfo, data, (unsigned long)size);
  jpeg_save_markers(&cinfo, EXIF_MARKER, 0xffff);
  jpeg_save_markers(&cinfo, ICC_MARKER, 0xffff);
  jpeg_read_header(&cinfo, TRUE);
  int ok = 1;
  for (jpeg_saved_marker_ptr m = cinfo.marker_list; ok && m && !metadata->exif.data; m = m->next) {
    if (m->marker == EXIF_MARKER && m->data_length > sizeof exif_name &&
        memcmp(m->data, exif_name, sizeof exif_name) == 0)
      ok = bytes_copy(m->data + sizeof exif_name, m->data_length - sizeof exif_name, &metadata->exif);
  }
  JOCTET *icc = NULL;
  unsigned icc_size = 0;
  if (ok && jpeg_read_icc_profile(&cinfo, &icc, &icc_size)) {
    metadata->icc.data = icc;
    metadata->icc.size = icc_size;
  }
  jpeg_destroy_decompress(&cinfo);
  return ok;
}
