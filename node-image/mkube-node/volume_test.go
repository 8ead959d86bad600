package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// runVolume runs mkube-volume as local-path-provisioner does, and returns its exit code and output.
func runVolume(action, folder string) (int, string) {
	var out bytes.Buffer
	code := volume([]string{"-p", folder, "-s", "1048576", "-m", "Filesystem", "-a", action}, io.Discard, &out)
	return code, out.String()
}

func TestVolumeCreate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "volumes", "pvc-1_default_data")
	for range 2 { // the provisioner may repeat an action
		if code, out := runVolume("create", folder); code != 0 || out != "" {
			t.Fatalf("exit code %d: %s", code, out)
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode() != os.ModeDir|0o777 {
		t.Errorf("the folder has mode %v, %v; want every user to write there", info.Mode(), err)
	}
	long := strings.Repeat("n", 256)
	want := "the name " + long + " is too long for a folder: give the StorageClass the parameter pathPattern of the class standard\n"
	if code, out := runVolume("create", filepath.Join(t.TempDir(), long)); code != 1 || out != want {
		t.Errorf("exit code %d: %q; want %q", code, out, want)
	}
}

func TestVolumeUsage(t *testing.T) {
	for _, args := range [][]string{
		nil, {"-a", "create"}, {"-a", "create", "-p", "relative"}, {"-a", "resize", "-p", "/v"}, {"-a", "delete", "-p", "/v", "more"}, {"--unknown"},
	} {
		var out bytes.Buffer
		code := volume(args, io.Discard, &out)
		if want := "usage: mkube-volume -a create|delete -p FOLDER [-s BYTES] [-m MODE]\n"; code != 2 || out.String() != want {
			t.Errorf("%q: exit code %d, %q", args, code, out.String())
		}
	}
}

// dig creates folders in each other, and in the deepest one a file and a symbolic link. Their paths are
// longer than the kernel accepts.
func dig(t *testing.T, in, target string) {
	t.Helper()
	name := strings.Repeat("d", 100)
	at, err := unix.Open(in, unix.O_DIRECTORY, 0)
	for range 600 {
		if err != nil {
			break
		}
		above := at
		if err = unix.Mkdirat(above, name, 0o700); err == nil {
			at, err = unix.Openat(above, name, unix.O_DIRECTORY, 0)
		}
		unix.Close(above)
	}
	if err == nil {
		err = errors.Join(unix.Symlinkat(target, at, "link"), unix.Mknodat(at, "file", unix.S_IFREG, 0), unix.Close(at))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestVolumeDelete checks that everything that a pod can leave in a volume is removed, and nothing else.
func TestVolumeDelete(t *testing.T) {
	base := t.TempDir()
	outside, folder := filepath.Join(base, "outside"), filepath.Join(base, "pvc-1_default_data")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(outside, 0o755))
	must(os.WriteFile(filepath.Join(outside, "file"), nil, 0o644))
	must(os.Mkdir(folder, 0o777))
	dig(t, folder, outside)
	must(os.Symlink(outside, filepath.Join(folder, "link")))
	must(os.Symlink("..", filepath.Join(folder, "up")))
	must(os.Link(filepath.Join(outside, "file"), filepath.Join(folder, "hard link")))
	for _, name := range []string{"-rf", " ", "new\nline", "\xff\xfe", "*", "...", strings.Repeat("n", 255)} {
		must(os.WriteFile(filepath.Join(folder, name), nil, 0))
	}
	for i := range 1100 { // more than the entries that are read at once
		must(os.WriteFile(filepath.Join(folder, fmt.Sprint("many", i)), nil, 0))
	}
	must(syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o600))
	socket, err := net.Listen("unix", filepath.Join(folder, "socket"))
	must(err)
	defer socket.Close()
	must(os.Mkdir(filepath.Join(folder, "empty"), 0o777))
	for range 2 { // the provisioner may repeat an action
		if code, out := runVolume("delete", folder); code != 0 || out != "" {
			t.Fatalf("exit code %d: %.300s", code, out)
		}
	}
	if _, err := os.Lstat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(outside, "file")); err != nil {
		t.Errorf("a file outside of the volume was removed: %v", err)
	}
}

// protect sets a flag of a file, or skips the test if that is not possible here.
func protect(t *testing.T, path string, flag int) {
	t.Helper()
	f, err := os.Open(path)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flag)
		f.Close()
	}
	if err != nil {
		t.Skipf("setting the flags of %s: %v", path, err)
	}
}

// TestVolumeDeleteProtected checks that files and folders with the flags +i and +a of chattr are removed.
func TestVolumeDeleteProtected(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pvc-1_default_data")
	inner := filepath.Join(folder, "inner")
	if err := os.MkdirAll(inner, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteFolder(folder) }) // else t.TempDir fails
	for name, flag := range map[string]int{"immutable": 0x10, "append-only": 0x20} {
		path := filepath.Join(inner, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		protect(t, path, flag)
	}
	protect(t, inner, 0x10)
	protect(t, folder, 0x20)
	if code, out := runVolume("delete", folder); code != 0 || out != "" {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if _, err := os.Lstat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestMountsIn(t *testing.T) {
	const mountinfo = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /volumes rw shared:1 - tmpfs tmpfs rw
31 30 0:26 / /volumes/pvc-1/with\040space rw shared:2 - tmpfs tmpfs rw
32 30 0:27 / /volumes/pvc-1 rw - tmpfs tmpfs rw
33 30 0:28 / /volumes/pvc-10 rw - tmpfs tmpfs rw
`
	for folder, want := range map[string][]string{
		"/volumes/pvc-1": {"/volumes/pvc-1/with space", "/volumes/pvc-1"}, "/volumes/pvc-10": {"/volumes/pvc-10"}, "/volumes/pvc-2": nil,
	} {
		if got := mountsIn(mountinfo, folder); !slices.Equal(got, want) {
			t.Errorf("in %s there are the mounts %q; want %q", folder, got, want)
		}
	}
}

// TestVolumeDeleteMounted checks that a mounted file system stops the removal before a file is removed.
func TestVolumeDeleteMounted(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pvc-1_default_data")
	mount, file := filepath.Join(folder, "mount"), filepath.Join(folder, "file")
	if err := os.MkdirAll(mount, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", mount, "tmpfs", 0, ""); err != nil {
		t.Skipf("mounting: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	if code, out := runVolume("delete", folder); code != 1 || out != mount+" is mounted in the volume: unmount it on the node\n" {
		t.Errorf("exit code %d: %q", code, out)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a file was removed: %v", err)
	}
}
