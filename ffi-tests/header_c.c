/* The header alone, in C. */
#include "sidelight.h"

int main(void)
{
    return 0;
}
