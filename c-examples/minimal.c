/* Sidelight and libjpeg-turbo in one file. In place of IN.jpg and OUT, - is standard input and output.
 *   minimal attach ORIGINAL.ppm IN.jpg OUT.jpg   trains on the original; writes the JPEG with a payload
 *   minimal show IN.jpg OUT.y4m                  decodes and filters; writes the planes, for video players */
#include <sidelight.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

/* Whatever goes wrong ends the program, which frees what it holds. Without a message it is TurboJPEG that failed. */
static void require(int ok, const char *message) {
  if (!ok) {
    fprintf(stderr, "minimal: %s\n", message ? message : tjGetErrorStr());
    exit(EXIT_FAILURE);
  }
}

/* Planes as JPEG codes them. TurboJPEG numbers its first four layouts from the other end. */
static SidelightPicture planes(int width, int height, int sampling, uint8_t *data[3], int stride[3]) {
  SidelightPicture p = {.width = width, .height = height, .bit_depth = 8};
  p.layout = sampling > TJSAMP_GRAY ? sampling : TJSAMP_GRAY - sampling;
  for (int i = 0; i < (sampling == TJSAMP_GRAY ? 1 : 3); i++) {
    p.stride[i] = stride[i] = tjPlaneWidth(i, width, sampling);
    p.data[i] = data[i] = malloc(tjPlaneSizeYUV(i, width, 0, height, sampling));
    require(data[i] != NULL, "out of memory");
  }
  return p;
}

int main(int argc, char **argv) {
  int attach = argc == 5 && strcmp(argv[1], "attach") == 0, show = argc == 4 && strcmp(argv[1], "show") == 0;
  require(attach || show, "usage: attach ORIGINAL.ppm IN.jpg OUT.jpg, or show IN.jpg OUT.y4m");
  static uint8_t jpeg[1 << 26];
  const char *in = argv[argc - 2], *out = argv[argc - 1];
  FILE *file = strcmp(in, "-") == 0 ? stdin : fopen(in, "rb");
  size_t size = file ? fread(jpeg, 1, sizeof jpeg, file) : 0;
  require(size > 0 && feof(file) && fclose(file) == 0, in);
  int w, h, sampling, colours, stride[3], width, height, format = TJPF_RGB;
  uint8_t *data[3], *other_data[3];
  tjhandle tj = tjInitDecompress(), tjc = tjInitCompress();
  require(!tjDecompressHeader3(tj, jpeg, size, &w, &h, &sampling, &colours), NULL);
  require(colours == TJCS_YCbCr || colours == TJCS_GRAY, "an unusual JPEG: RGB, CMYK or YCCK");
  require(sampling >= 0 && sampling <= TJSAMP_411, "an unusual JPEG: its sampling");
  SidelightPicture decoded = planes(w, h, sampling, data, stride);
  SidelightPicture other = planes(w, h, sampling, other_data, stride); /* original, or filtered */
  require(!tjDecompressToYUVPlanes(tj, jpeg, size, data, w, stride, h, 0), NULL);
  SidelightCodecParams params;
  SidelightBuffer payload = {0}, rewritten = {0};
  int r = sidelight_jpeg_read(jpeg, size, &params, attach ? NULL : &payload);
  if (attach) {
    SidelightEncoder *encoder = NULL;
    uint8_t *rgb = tjLoadImage(argv[2], &width, 1, &height, &format, 0);
    require(rgb && width == w && height == h, "the original can't be read, or is of another size");
    require(!tjEncodeYUVPlanes(tjc, rgb, w, 0, h, format, other_data, stride, sampling, 0), NULL);
    if (r >= 0 && (r = sidelight_encoder_open(NULL, &encoder)) >= 0 &&
        (r = sidelight_encoder_encode(encoder, &other, &decoded, 1, &params, &payload, NULL)) >= 0)
      r = sidelight_jpeg_rewrite(jpeg, size, payload.data, payload.size, &rewritten);
  } else {
    SidelightDecoder *decoder = NULL; /* lets pictures through until a payload is set */
    require(sidelight_decoder_open(NULL, &decoder) >= 0, "no decoder");
    r = r == 0 ? SIDELIGHT_ERROR_NO_PAYLOAD : r;
    if (r < 0 || (r = sidelight_decoder_set_payload(decoder, payload.data, payload.size, &params)) < 0)
      fprintf(stderr, "minimal: %s; picture is unfiltered\n", sidelight_strerror(r));
    r = sidelight_decoder_filter(decoder, &decoded, &other);
  }
  require(r >= 0, sidelight_strerror(r));
  char part[4096] = ""; /* only a whole file gets the name */
  int named = strcmp(out, "-") != 0 && snprintf(part, sizeof part, "%s.part", out) > 0;
  require((file = named ? fopen(part, "wb") : stdout) != NULL, part);
  if (attach)
    fwrite(rewritten.data, 1, rewritten.size, file);
  else
    fprintf(file, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C%s XCOLORRANGE=FULL\nFRAME\n", w, h,
            (const char *[]){"444", "422", "420jpeg", "mono", "440", "411"}[sampling]);
  for (int i = 0; show && i < (sampling == TJSAMP_GRAY ? 1 : 3); i++)
    for (int y = 0; y < (i == 0 ? h : tjPlaneHeight(i, h, sampling)); y++)
      fwrite(other_data[i] + (size_t)y * stride[i], 1, i == 0 ? w : stride[i], file);
  int written = fflush(file) == 0 && !ferror(file) && fclose(file) == 0 && (!named || rename(part, out) == 0);
  if (!written && named) remove(part);
  require(written, out);
}
