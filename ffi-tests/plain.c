#include "coded.h"

SidelightCodecParams plain_params(void)
{
    /* T.81, table K.1. */
    static const uint8_t luma[64] = {
        16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,
        14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,
        18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    };
    SidelightCodecParams params = {.codec = SIDELIGHT_CODEC_JPEG};
    for (int i = 0; i < 64; i++) {
        const int step = luma[i] * 5 / 2;
        params.quant[0][i] = (uint16_t)(step > 255 ? 255 : step);
    }
    return params;
}

void payload_repair(uint8_t *payload, size_t size, uint64_t context)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < 8 + size; i++) {
        uint8_t byte;
        if (i < 8) byte = (uint8_t)(context >> 8 * i);
        else byte = i - 8 >= 5 && i - 8 < 8 ? 0 : payload[i - 8];
        hash = (hash ^ byte) * 0x100000001B3u;
    }
    const uint16_t binding = (uint16_t)(hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48);
    payload[6] = (uint8_t)binding;
    payload[7] = (uint8_t)(binding >> 8);

    uint8_t crc = 0xFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= i == 5 ? 0 : payload[i];
        for (int bit = 0; bit < 8; bit++) crc = (uint8_t)(crc << 1 ^ (crc >= 0x80 ? 0x2F : 0));
    }
    payload[5] = crc;
}
