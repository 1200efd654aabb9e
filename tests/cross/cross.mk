# The library on other machines. What that needs is downloaded from Debian 12 and unpacked in target/cross; nothing is
# installed. Included by the Makefile at the root.

##@ Other machines

windows: ## The library for 64-bit Windows, in target/windows
	packaging/windows.sh $(abspath $(TARGET))/windows

test-aarch64: ## Tests on 64-bit ARM, through QEMU
	tests/cross/aarch64.sh

test-windows: ## Tests on 64-bit Windows, through Wine
	tests/cross/windows.sh

test-i686: ## Tests on 32-bit x86
	tests/cross/i686.sh

test-big-endian: ## Tests on s390x, through QEMU
	tests/cross/big-endian.sh

check-others: ## Type-checks the library for 64-bit ARM, WebAssembly, Windows, macOS, 32-bit x86 and s390x
	tests/cross/check.sh

test-cross: test-aarch64 test-wasm test-i686 test-big-endian test-windows check-others ## All of these

.PHONY: windows test-aarch64 test-windows test-i686 test-big-endian check-others test-cross
