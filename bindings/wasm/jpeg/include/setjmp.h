/* WebAssembly has no longjmp(). Nothing here needs it: libjpeg's errors leave through an exception of the host's,
 * who then drops the instance (errors.c). */
#ifndef SETJMP_H
#define SETJMP_H

typedef int jmp_buf[1];

#define setjmp(out) ((void)(out), 0)

#endif
