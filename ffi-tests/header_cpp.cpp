// The header alone, in C++: it compiles, and structs start from {}.
#include "sidelight.h"

int main()
{
    SidelightPicture picture = {};
    SidelightCodecParams params = {};
    SidelightBuffer buffer = {};
    SidelightEncoderSettings encoder = {};
    SidelightDecoderSettings decoder = {};
    SidelightStreamSettings stream = {};
    return picture.width || params.codec || buffer.data || encoder.progress || decoder.threads || stream.codec;
}
