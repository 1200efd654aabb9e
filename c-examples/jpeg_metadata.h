/* ICC profiles and EXIF of JPEG files: APP2 and APP1 segments. */
#ifndef JPEG_METADATA_H
#define JPEG_METADATA_H

#include "jpeg_errors.h"
#include "picture_io.h"

/* Writes the segments; to be called between jpeg_start_compress() and the first row. EXIF that is too large for
 * a segment is left out, with a message. */
void jpeg_write_metadata(struct jpeg_compress_struct *cinfo, const Metadata *metadata);

/* Reads a file's metadata, as far as they are sound; 0 if memory is out, which is printed. To be freed with
 * metadata_free(). */
int jpeg_read_metadata(const char *name, const uint8_t *data, size_t size, Metadata *metadata);

#endif
