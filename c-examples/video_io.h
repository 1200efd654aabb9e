/* Video of the examples: YUV4MPEG2 files by hand, pictures of libavcodec. */
#ifndef VIDEO_IO_H
#define VIDEO_IO_H

#include <sidelight.h>
#include <stdio.h>

struct AVFrame;

/* What all pictures of a file have in common. */
typedef struct VideoFormat {
  uint32_t width, height, layout, bit_depth; /* as in SidelightPicture */
  int full_range;                                   /* 1, 0, or -1 if unknown */
  uint32_t rate, scale;                             /* pictures in `scale` seconds */
  uint32_t aspect[2];                               /* of a sample; zeros if unknown */
} VideoFormat;

/* A picture and its memory. */
typedef struct VideoPicture {
  SidelightPicture picture;
  uint8_t *memory;
} VideoPicture;

/* Planes of a format's shape, one behind the other without gaps, not initialised; prints what is wrong and
 * returns 0 on failure. */
int video_picture(const VideoFormat *format, VideoPicture *out);
void video_picture_free(VideoPicture *p);

/* A YUV4MPEG2 file that is read. */
typedef struct Y4mReader {
  VideoFormat format;
  FILE *file;
  const char *path;
} Y4mReader;

/* Opens a file, or standard input if `path` is "-": 8, 10 or 12 bits, 4:2:0, 4:2:2, 4:4:4 or gray,
 * progressive. Prints what is wrong and returns 0 on failure. */
int y4m_open(Y4mReader *reader, const char *path);

/* Reads the next picture. 1; 0 at the end; -1 on failure, which is printed. */
int y4m_read(Y4mReader *reader, VideoPicture *out);

void y4m_close(Y4mReader *reader);

/* What is written shows when the file is closed. */
void y4m_write_header(FILE *f, const VideoFormat *format);
void y4m_write_picture(FILE *f, const SidelightPicture *p);

int plane_count(const SidelightPicture *p);
/* Bytes of a row, and rows, of plane `i`. */
size_t plane_row_bytes(const SidelightPicture *p, int i);
uint32_t plane_rows(const SidelightPicture *p, int i);
const uint8_t *plane_row(const SidelightPicture *p, int i, uint32_t y);

/* libavcodec's picture as Sidelight sees it; 0 if its format is none that Sidelight knows. */
int picture_of_frame(const struct AVFrame *frame, SidelightPicture *p);

#endif
