package nodeimage

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// member is an entry of a root file system. The name of a folder ends with a slash, and a link has
// a target. Everything else is a file.
type member struct {
	name, link string
	data       []byte
	hard       bool
	mode       int64 // if 0, 0755
}

func makeRootfs(t *testing.T, members ...member) *rootfs {
	t.Helper()
	path := filepath.Join(t.TempDir(), "base.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, m := range members {
		h := &tar.Header{Name: "./" + m.name, Mode: cmp.Or(m.mode, 0o755), Linkname: m.link, Size: int64(len(m.data))}
		switch {
		case m.hard:
			h.Typeflag = tar.TypeLink
		case m.link != "":
			h.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(m.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := openRootfs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

const triplet = "usr/lib/x86_64-linux-gnu/"

// debian returns the part of a Debian root with kube-proxy's tools.
func debian(t *testing.T, change ...member) *rootfs {
	t.Helper()
	members := []member{
		{name: "usr/"}, {name: "usr/sbin/"}, {name: "usr/lib/"}, {name: triplet},
		{name: "lib", link: "usr/lib"}, {name: "lib64", link: "usr/lib64"},
		{name: "usr/lib64/"}, {name: "etc/"}, {name: "etc/alternatives/"}, {name: triplet + "xtables/"},
		{name: "usr/lib64/ld.so", link: "../lib/x86_64-linux-gnu/ld-2.so"},
		{name: triplet + "ld-2.so", data: makeELF(t, "")},
		{name: triplet + "libc.so.6", data: makeELF(t, "")},
		{name: triplet + "libnft.so.1", link: "libnft.so.1.2"},
		{name: triplet + "libnft.so.1.2", data: makeELF(t, "", "libc.so.6", "libmnl.so.0")},
		{name: triplet + "libmnl.so.0", data: makeELF(t, "", "libc.so.6", "libnft.so.1")}, // a cycle
		{name: "usr/sbin/nft", data: makeELF(t, "/lib64/ld.so", "libnft.so.1", "libc.so.6")},
		{name: "usr/sbin/xtables-nft-multi", data: makeELF(t, "/lib64/ld.so", "libc.so.6")},
		{name: "etc/alternatives/iptables", link: "/usr/sbin/iptables-nft"},
		{name: "usr/sbin/iptables-nft", link: "xtables-nft-multi"},
		{name: "usr/sbin/iptables", link: "/etc/alternatives/iptables"},
		{name: "usr/sbin/iptables-save", link: "xtables-nft-multi"},
		{name: "usr/sbin/iptables-restore", link: "xtables-nft-multi"},
		{name: "usr/sbin/ip6tables", data: []byte("#!/bin/sh\n")},
		{name: "usr/sbin/ip6tables-save", link: "/usr/sbin/ip6tables", hard: true},
		{name: "usr/sbin/ip6tables-restore", link: "xtables-nft-multi"},
		{name: triplet + "xtables/libxt_comment.so", data: makeELF(t, "", "libc.so.6")},
		{name: triplet + "unneeded.so", data: makeELF(t, "")},
		{name: "usr/share/xtables/readme", data: []byte("no library")},
		{name: "etc/protocols", data: []byte("tcp 6 TCP\n"), mode: 0o644},
	}
	return makeRootfs(t, append(members, change...)...)
}

func TestTools(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list, err := debian(t).tools(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range list {
		if _, twice := got[e.Path]; twice {
			t.Errorf("%s is there twice", e.Path)
		}
		got[e.Path] = e.Link
		if e.Link != "" {
			continue
		}
		if info, err := os.Stat(e.Source); err != nil || info.Size() == 0 || (e.Mode == 0o644) != (e.Path == "etc/protocols") {
			t.Errorf("%s comes from %s: %v, mode %o", e.Path, e.Source, err, e.Mode)
		}
	}
	want := map[string]string{
		"lib64": "usr/lib64", "usr/lib64/ld.so": "../lib/x86_64-linux-gnu/ld-2.so", triplet + "ld-2.so": "",
		triplet + "libc.so.6": "", triplet + "libnft.so.1": "libnft.so.1.2", triplet + "libnft.so.1.2": "", triplet + "libmnl.so.0": "",
		"usr/sbin/nft": "", "usr/sbin/xtables-nft-multi": "",
		"usr/sbin/iptables": "/etc/alternatives/iptables", "etc/alternatives/iptables": "/usr/sbin/iptables-nft", "usr/sbin/iptables-nft": "xtables-nft-multi",
		"usr/sbin/iptables-save": "xtables-nft-multi", "usr/sbin/iptables-restore": "xtables-nft-multi",
		"usr/sbin/ip6tables": "", "usr/sbin/ip6tables-save": "", "usr/sbin/ip6tables-restore": "xtables-nft-multi",
		triplet + "xtables/libxt_comment.so": "", "etc/protocols": "",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("tools are\n%v; want\n%v", got, want)
	}
}

func TestToolsThatLack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change member
		want   string
	}{
		"a library":     {member{name: "usr/sbin/nft", data: makeELF(t, "/lib64/ld.so", "libgone.so")}, "/usr/sbin/nft needs libgone.so: file does not exist in the base"},
		"a target":      {member{name: "usr/sbin/nft", link: "gone"}, "/usr/sbin/nft: file does not exist in the base"},
		"the linker":    {member{name: "usr/sbin/nft", data: makeELF(t, "/lib64/gone.so")}, "/lib64/gone.so: file does not exist in the base"},
		"an end":        {member{name: "usr/sbin/nft", link: "nft"}, "/usr/sbin/nft has too many symbolic links"},
		"a folder's is": {member{name: "usr/sbin/nft/"}, "/usr/sbin/nft is not a file of the base"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := debian(t, test.change).tools(t.TempDir()); fmt.Sprint(err) != test.want {
				t.Errorf("tools = %v; want %s", err, test.want)
			}
		})
	}
}

func TestRootfsRead(t *testing.T) {
	t.Parallel()
	r := makeRootfs(t, member{name: "a/b", data: []byte("first")}, member{name: "c", data: []byte("second")},
		member{name: "hard", link: "./a/b", hard: true}, member{name: "soft", link: "c"}, member{name: "empty"})
	for name, want := range map[string]string{"a/b": "first", "c": "second", "hard": "first", "empty": ""} {
		if got, err := r.read(name); string(got) != want || err != nil {
			t.Errorf("read(%s) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"soft", "none"} {
		if _, err := r.read(name); fmt.Sprint(err) != "/"+name+" is not a file of the base" {
			t.Errorf("read(%s) = %v", name, err)
		}
	}
}

func TestRootfsResolve(t *testing.T) {
	t.Parallel()
	r := makeRootfs(t, member{name: "usr/"}, member{name: "usr/lib/"}, member{name: "usr/lib/x", data: []byte("x")},
		member{name: "lib", link: "usr/lib"}, member{name: "usr/up", link: "../lib/x"}, member{name: "abs", link: "/usr/up"})
	for name, want := range map[string][]string{
		"usr/lib/x": {"usr/lib/x"}, "lib/x": {"usr/lib/x", "lib"}, "usr/up": {"usr/lib/x", "usr/up", "lib"}, "abs": {"usr/lib/x", "abs", "usr/up", "lib"},
	} {
		real, links, err := r.resolve(name)
		if got := append([]string{real}, links...); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("resolve(%s) = %q, %v; want %q", name, got, err, want)
		}
	}
	if _, _, err := r.resolve("lib/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("resolve = %v", err)
	}
}

func TestOpenRootfsErrors(t *testing.T) {
	t.Parallel()
	if _, err := openRootfs(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("openRootfs = %v", err)
	}
	path := filepath.Join(t.TempDir(), "base.tar")
	write(t, path, strings.Repeat("no archive", 100), 0o644)
	if _, err := openRootfs(path); !strings.HasPrefix(fmt.Sprint(err), "reading "+path+": ") {
		t.Errorf("openRootfs = %v", err)
	}
}
