# Installing, and what is checked before a release. Included by the Makefile at the root.

##@ Install

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DOCDIR ?= $(PREFIX)/share/doc/sidelight
MANDIR ?= $(PREFIX)/share/man
CMAKEDIR ?= $(LIBDIR)/cmake/Sidelight
BINDIR ?= $(PREFIX)/bin
COMPLETIONS ?= $(PREFIX)/share
# What `make cli` leaves here is installed as well.
CLI ?= $(abspath $(TARGET))/cli
INSTALL ?= install
STRIP ?= strip

# Calls the commands with a shell's name for $1 and where its completions go for $2.
each_completion = complete() { $(1); } && \
	complete bash "$(DESTDIR)$(COMPLETIONS)/bash-completion/completions/sidelight" && \
	complete fish "$(DESTDIR)$(COMPLETIONS)/fish/vendor_completions.d/sidelight.fish" && \
	complete zsh "$(DESTDIR)$(COMPLETIONS)/zsh/site-functions/_sidelight"

# Lab notes are for those who work on the source. The picture is README.md's.
DOCS = README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE models/README.md \
	$(sort $(filter-out docs/notebook.md,$(wildcard docs/*.md docs/*.png)))
# In the .pc file, so that pkg-config --define-variable=prefix= moves all of it.
under_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
# From CMAKEDIR up to the prefix: the CMake files find everything from where they lie.
UP = $(shell echo "$(CMAKEDIR:$(PREFIX)/%=%)" | sed 's|[^/][^/]*|..|g')
CMAKE_PREFIX = $(if $(filter $(PREFIX)/%,$(CMAKEDIR)),$${_sidelight_here}/$(UP),$(PREFIX))
cmake_path = $(patsubst $(PREFIX)/%,$${_sidelight_prefix}/%,$(1))

cli: setup-cli ## The command sidelight, its manual pages and completions: target/cli
	cargo build --release $(CARGOFLAGS) -p sidelight-cli
	@rm -rf "$(CLI)" && mkdir -p "$(CLI)/completions"
	@cp $(RELEASE)/sidelight "$(CLI)/"
	@"$(CLI)/sidelight" man "$(CLI)/man1"
	@for shell in bash fish zsh; do \
	    "$(CLI)/sidelight" completions $$shell >"$(CLI)/completions/$$shell" || exit 1; \
	done

setup-cli:
	@$(SETUP) cli

# Builds only what is missing, so that root needs no cargo after `make lib`; the command where `make cli` was called.
install: ## For others to build with [PREFIX=/usr/local] [LIBDIR=] [DESTDIR=]
	@test -f $(RELEASE)/$(SHARED) && test -f $(NATIVE_LIBS) || $(MAKE) lib
	$(INSTALL) -d "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(CMAKEDIR)" "$(DESTDIR)$(INCLUDEDIR)" \
	    "$(DESTDIR)$(DOCDIR)/docs" "$(DESTDIR)$(DOCDIR)/models" "$(DESTDIR)$(MANDIR)/man3"
	$(INSTALL) -m 755 $(RELEASE)/$(SHARED) "$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)"
	ln -sf $(SHARED_FILE) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/$(SHARED)"
	$(INSTALL) -m 644 $(RELEASE)/libsidelight.a "$(DESTDIR)$(LIBDIR)/"
	$(INSTALL) -m 644 include/sidelight.h "$(DESTDIR)$(INCLUDEDIR)/"
	$(INSTALL) -m 644 packaging/sidelight.3 "$(DESTDIR)$(MANDIR)/man3/"
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@INCLUDEDIR@|$(call under_prefix,$(INCLUDEDIR))|' \
	    -e 's|@LIBDIR@|$(call under_prefix,$(LIBDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	    -e "s|@LIBS_PRIVATE@|$$(cat $(NATIVE_LIBS))|" packaging/sidelight.pc.in \
	    > "$(DESTDIR)$(LIBDIR)/pkgconfig/sidelight.pc"
	@for file in SidelightConfig SidelightConfigVersion; do \
	    sed -e 's|@PREFIX@|$(CMAKE_PREFIX)|' -e 's|@INCLUDEDIR@|$(call cmake_path,$(INCLUDEDIR))|' \
	        -e 's|@LIBDIR@|$(call cmake_path,$(LIBDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	        -e 's|@ABI@|$(ABI)|' -e 's|@SHARED_FILE@|$(SHARED_FILE)|' -e 's|@SONAME@|$(SONAME)|' \
	        -e "s|@LIBS_PRIVATE@|$$(tr ' ' ';' <$(NATIVE_LIBS))|" packaging/$$file.cmake.in \
	        > "$(DESTDIR)$(CMAKEDIR)/$$file.cmake" || exit 1; \
	done
	@for file in $(DOCS); do \
	    $(INSTALL) -m 644 $$file "$(DESTDIR)$(DOCDIR)/$$file" || exit 1; \
	done
	@test ! -d "$(CLI)" || { \
	    $(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1" && \
	    $(INSTALL) -m 755 "$(CLI)/sidelight" "$(DESTDIR)$(BINDIR)/" && \
	    $(INSTALL) -m 644 "$(CLI)"/man1/*.1 "$(DESTDIR)$(MANDIR)/man1/" && \
	    $(call each_completion,$(INSTALL) -D -m 644 "$(CLI)/completions/$$1" "$$2"); }

install-strip: install ## The same without debug information
	$(STRIP) --strip-unneeded "$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)"
	$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libsidelight.a"
	test ! -d "$(CLI)" || $(STRIP) "$(DESTDIR)$(BINDIR)/sidelight"

uninstall: ## Removes what install wrote, with the same variables
	rm -f "$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)" "$(DESTDIR)$(LIBDIR)/$(SONAME)" \
	    "$(DESTDIR)$(LIBDIR)/$(SHARED)" "$(DESTDIR)$(LIBDIR)/libsidelight.a" \
	    "$(DESTDIR)$(INCLUDEDIR)/sidelight.h" "$(DESTDIR)$(LIBDIR)/pkgconfig/sidelight.pc" \
	    "$(DESTDIR)$(MANDIR)/man3/sidelight.3" "$(DESTDIR)$(BINDIR)/sidelight" \
	    "$(DESTDIR)$(MANDIR)"/man1/sidelight.1 "$(DESTDIR)$(MANDIR)"/man1/sidelight-*.1
	@$(call each_completion,rm -f "$$2")
	rm -rf "$(DESTDIR)$(CMAKEDIR)" "$(DESTDIR)$(DOCDIR)"

test-install: lib ## What is installed, as others build with it
	@tools/setup.sh test
	packaging/test.sh

abi-check: lib ## Fails where programs built with packaging/abi/sidelight.abi would break
abi-baseline: lib ## Rewrites packaging/abi/sidelight.abi: before a release
abi-check abi-baseline:
	@tools/setup.sh test
	@packaging/abi/check.sh $(@:abi-%=%) $(RELEASE)/$(SHARED)

.PHONY: cli setup-cli install install-strip uninstall test-install abi-check abi-baseline
