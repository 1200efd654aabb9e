/* What a program of others does first: C11 and C++17, against the installed copy. */
#include <sidelight.h>

#include <stdio.h>
#include <string.h>

int main(void) {
  enum { W = 17, H = 9 };
  uint8_t before[W * H], after[W * H];
  SidelightPicture in, out;
  SidelightCodecParams params;
  SidelightDecoder *decoder = NULL;
  uint32_t version = sidelight_version();
  if (version >> 16 != SIDELIGHT_VERSION_MAJOR || (version >> 8 & 255) != SIDELIGHT_VERSION_MINOR ||
      (version & 255) != SIDELIGHT_VERSION_PATCH) {
    fprintf(stderr, "header and library are of different versions\n");
    return 1;
  }
  for (int i = 0; i < W * H; i++)
    before[i] = (uint8_t)(i * 37);
  memset(&in, 0, sizeof in);
  in.data[0] = before;
  in.stride[0] = W;
  in.width = W;
  in.height = H;
  in.layout = SIDELIGHT_LAYOUT_I400;
  in.bit_depth = 8;
  out = in;
  out.data[0] = after;
  memset(&params, 0, sizeof params);
  params.codec = SIDELIGHT_CODEC_JPEG;
  for (int i = 0; i < 64; i++)
    params.quant[0][i] = 30;
  int result = sidelight_decoder_open(NULL, &decoder);
  if (result == 0)
    result = sidelight_decoder_set_mode(decoder, SIDELIGHT_MODE_BASE, &params);
  if (result == 0)
    result = sidelight_decoder_filter(decoder, &in, &out);
  sidelight_decoder_close(&decoder);
  if (result < 0) {
    fprintf(stderr, "%s\n", sidelight_strerror(result));
    return 1;
  }
  return memcmp(before, after, sizeof before) == 0; /* the model is inside, and changed something */
}
