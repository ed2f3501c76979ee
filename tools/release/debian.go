package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

const maintainer = "The gocaffe authors <gocaffe@users.noreply.github.com>"

const description = `Caffe's nets and solver in Go
 gocaffe trains, tests and times the nets of BVLC Caffe from their own prototxt
 and caffemodel files, with the command line and the log of the caffe program.
 It runs on the CPU, and on NVIDIA GPUs where their driver is installed. New
 layers are Go packages.`

// debian writes the Debian package of the program for linux.
func (r *release) debian(goarch string, program file) error {
	info := r.debianInfo("gocaffe", goarch, description) // Debian's names of architectures are Go's
	// The program starts libc's loader, for libraries that it opens later.
	info.Depends = []string{"libc6"}
	info.Suggests = []string{
		"bash-completion", "gocaffe-compat",
		"golang-go", // for gocaffe build
		"libhdf5-103-1 | libhdf5-200 | libhdf5-310", // for HDF5 files
	}
	var err error
	if info.Contents, err = r.debianFiles(program, debianVersion(info)); err != nil {
		return err
	}
	return r.writeDebian(info, r.label("linux", goarch))
}

// debianInfo returns what packages have in common.
func (r *release) debianInfo(name, arch, description string) *nfpm.Info {
	return nfpm.WithDefaults(&nfpm.Info{
		Name:            name,
		Arch:            arch,
		Version:         r.name,
		Release:         "1",
		Section:         "science",
		Priority:        "optional",
		Maintainer:      maintainer,
		Description:     description,
		Homepage:        "https://github.com/gocaffe/gocaffe",
		License:         "BSD-2-Clause",
		DisableGlobbing: true,
		MTime:           r.date,
		Overridables:    nfpm.Overridables{Deb: nfpm.Deb{Compression: "xz"}},
	})
}

// debianVersion returns Debian's form of a package's version.
func debianVersion(info *nfpm.Info) string {
	upstream := info.Version
	if info.Prerelease != "" {
		upstream += "~" + info.Prerelease
	}
	if info.VersionMetadata != "" {
		upstream += "+" + info.VersionMetadata
	}
	return upstream + "-" + info.Release
}

// writeDebian writes a package to the file NAME.deb.
func (r *release) writeDebian(info *nfpm.Info, name string) error {
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return err
	}
	return create(filepath.Join(r.out, name+".deb"), func(w io.Writer) error {
		return deb.Default.Package(info, w)
	})
}

const compatDescription = `Caffe's commands, done by gocaffe
 Links by the names of Caffe's tools: caffe, convert_imageset and others, with
 which gocaffe takes their place in scripts. The package cannot be installed
 beside Debian's own packages of Caffe, which have files of the same names.`

// compat writes the Debian package of the links by the names of Caffe's tools.
func (r *release) compat() error {
	info := r.debianInfo("gocaffe-compat", "all", compatDescription)
	info.Depends = []string{"gocaffe (>= " + debianVersion(info) + ")"}
	// All that have had /usr/bin/caffe, or depend on what has it.
	info.Conflicts = []string{"caffe-cpu", "caffe-cuda", "caffe-tools", "caffe-tools-cpu", "caffe-tools-cuda"}
	names, err := os.ReadFile(filepath.Join(r.stage, "tools"))
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(names)) {
		info.Contents = append(info.Contents, &files.Content{
			Type: files.TypeSymlink, Source: "gocaffe", Destination: "/usr/bin/" + name, FileInfo: &files.ContentFileInfo{MTime: r.date},
		})
	}
	// The texts are those of the package that it depends on.
	info.Contents = append(info.Contents, &files.Content{
		Type: files.TypeSymlink, Source: "gocaffe", Destination: "/usr/share/doc/gocaffe-compat", FileInfo: &files.ContentFileInfo{MTime: r.date},
	})
	return r.writeDebian(info, fmt.Sprintf("gocaffe-compat_%s_all", strings.TrimPrefix(r.name, "v")))
}

// debianFiles puts the files where Debian's policy wants them.
func (r *release) debianFiles(program file, version string) (files.Contents, error) {
	var contents files.Contents
	add := func(destination, source string, mode os.FileMode) {
		contents = append(contents, &files.Content{
			Source: source, Destination: destination, FileInfo: &files.ContentFileInfo{Mode: mode, MTime: r.date},
		})
	}
	add("/usr/bin/gocaffe", program.path, program.mode)
	completions := filepath.Join(r.stage, "completions")
	add("/usr/share/bash-completion/completions/gocaffe", filepath.Join(completions, "gocaffe.bash"), 0o644)
	add("/usr/share/zsh/vendor-completions/_gocaffe", filepath.Join(completions, "_gocaffe"), 0o644)
	add("/usr/share/fish/vendor_completions.d/gocaffe.fish", filepath.Join(completions, "gocaffe.fish"), 0o644)

	pages, err := filepath.Glob(filepath.Join(r.stage, "man1", "*.1"))
	if err != nil {
		return nil, err
	}
	changelog := filepath.Join(r.stage, "changelog.Debian")
	if err := os.WriteFile(changelog, r.debianChangelog(version), 0o666); err != nil {
		return nil, err
	}
	compressed := map[string]string{
		"/usr/share/doc/gocaffe/changelog.gz":        filepath.Join(r.source, "CHANGELOG.md"),
		"/usr/share/doc/gocaffe/changelog.Debian.gz": changelog,
	}
	for _, page := range pages {
		compressed["/usr/share/man/man1/"+filepath.Base(page)+".gz"] = page
	}
	for destination, source := range compressed {
		path := filepath.Join(r.stage, "debian", filepath.Base(destination))
		if err := compress(path, source); err != nil {
			return nil, err
		}
		add(destination, path, 0o644)
	}

	copyright, err := r.copyright()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.stage, "copyright")
	add("/usr/share/doc/gocaffe/copyright", path, 0o644)
	return contents, os.WriteFile(path, copyright, 0o666)
}

// debianChangelog returns the changelog of the package, as apart from that of
// gocaffe.
func (r *release) debianChangelog(version string) []byte {
	return fmt.Appendf(nil, "gocaffe (%s) unstable; urgency=medium\n\n  * Release %s. What is new is in changelog.gz.\n\n -- %s  %s\n",
		version, r.name, maintainer, r.date.Format(time.RFC1123Z))
}

// compress writes a file as gzip -9n does.
func compress(path, source string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return create(path, func(w io.Writer) error {
		z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		_, err = z.Write(text)
		return errors.Join(err, z.Close())
	})
}

// copyright returns the text of the package's file of that name: gocaffe's
// license and those of what is linked.
func (r *release) copyright() ([]byte, error) {
	own, err := os.ReadFile(filepath.Join(r.source, "LICENSE"))
	if err != nil {
		return nil, err
	}
	others, err := os.ReadFile(filepath.Join(r.stage, licenses))
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "gocaffe is from https://github.com/gocaffe/gocaffe.\n\n%s\n\n\n", strings.TrimSpace(string(own)))
	fmt.Fprintf(&text, "The program contains the following, under their licenses.\n\n\n%s", others)
	return text.Bytes(), nil
}
