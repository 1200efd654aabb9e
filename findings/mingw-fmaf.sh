#!/bin/sh
# mingw-w64's fmaf() is no fused multiply-add: it splits the factors into halves of 12 bits and adds their four products
# to the summand one after the other, each sum rounded to float. A quarter of ordinary results have another last bit
# than one rounding gives, which C asks for (C11 F.10.10.1) and the FMA instruction and other C libraries give. So code
# that counts on fmaf() for the same bits everywhere makes other files on Windows, and only there.
#
# The function is taken out of the library as it is, and called from here by Windows' calling convention.
# mingw-w64 10.0.0 (Debian 12), x86-64. 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq download mingw-w64-x86-64-dev=10.0.0-3 2>/dev/null
dpkg-deb -x mingw-w64-x86-64-dev_*.deb .
library=$(find . -name libmingwex.a)
object=$(ar t "$library" | grep -E -- '[-_]fmaf\.o$')
ar x "$library" "$object"
objcopy -O elf64-x86-64 --redefine-sym fmaf=fmaf_of_mingw "$object" fmaf.o
cat >main.c <<'C'
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

__attribute__((ms_abi)) float fmaf_of_mingw(float, float, float);

static uint64_t state = 1;
static float any(int least, int most)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    const float significand = 1 + (float)(state >> 41) / (1 << 23);
    const int exponent = least + (int)((state >> 32 & 0xFF) % (uint64_t)(most - least + 1));
    return ldexpf(state >> 40 & 1 ? -significand : significand, exponent);
}

int main(void)
{
    long others = 0, all = 20000000;
    for (long i = 0; i < all; i++) {
        const float x = any(-8, 8), y = any(-8, 8), z = any(-60, 8);
        const float right = fmaf(x, y, z), got = fmaf_of_mingw(x, y, z);
        others += memcmp(&right, &got, sizeof got) != 0;
    }
    printf("mingw-w64 10.0.0: %ld of %ld results are not those of one rounding\n", others, all);
    const int described = others > all / 5 && others < all / 3;
    puts(described ? "as described" : "not as described");
    return !described;
}
C
gcc -O2 -no-pie -z noexecstack main.c fmaf.o -lm -o main
./main
