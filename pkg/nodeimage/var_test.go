package nodeimage

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestRelocate(t *testing.T) {
	t.Parallel()
	var in, out bytes.Buffer
	w := tar.NewWriter(&in)
	for _, h := range []tar.Header{
		{Name: "./etc/", Typeflag: tar.TypeDir},
		{Name: "./etc/hostname", Typeflag: tar.TypeReg, Size: 4},
		{Name: "./var/", Typeflag: tar.TypeDir},
		{Name: "./var/run", Typeflag: tar.TypeSymlink, Linkname: "/run"},
		{Name: "./var/cache/debconf/config.dat", Typeflag: tar.TypeReg, Size: 4},
		{Name: "./var/lib/dpkg/", Typeflag: tar.TypeDir},
		{Name: "./var/lib/dpkg/status", Typeflag: tar.TypeReg, Size: 4},
		{Name: "./var/lib/dpkg-not/", Typeflag: tar.TypeDir},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "data"[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := filterTar(tar.NewReader(&in), tar.NewWriter(&out), relocate); err != nil {
		t.Fatal(err)
	}
	want := "./etc/ ./etc/hostname=data ./var/ ./var/run usr/lib/sysimage/dpkg/ usr/lib/sysimage/dpkg/status=data ./var/lib/dpkg-not/"
	if got := entriesOf(t, &out); got != want {
		t.Errorf("relocate kept %s; want %s", got, want)
	}
}

// entriesOf lists an archive: the names, and the content of files.
func entriesOf(t *testing.T, archive io.Reader) string {
	t.Helper()
	var list []string
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return strings.Join(list, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 0 {
			h.Name += "=" + string(data)
		}
		list = append(list, h.Name)
	}
}
