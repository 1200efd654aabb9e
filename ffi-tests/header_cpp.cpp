// The header alone, in C++.
#include "sidelight.h"

int main()
{
    return 0;
}
