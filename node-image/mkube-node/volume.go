package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// volume creates or removes the folder of a volume. It is the setupCommand and the teardownCommand of
// local-path-provisioner, which runs it in a pod on the node of the volume, see
// https://github.com/rancher/local-path-provisioner#configuration.
//
//	mkube-volume -a create|delete -p FOLDER [-s BYTES] [-m MODE]
func volume(args []string, _, stderr io.Writer) int {
	flags := flag.NewFlagSet("mkube-volume", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	action := flags.String("a", "", "")
	folder := flags.String("p", "", "")
	// The provisioner sets the size and the mode, too. Folders have neither.
	flags.String("s", "", "")
	flags.String("m", "", "")
	err := flags.Parse(args)
	run := map[string]func(string) error{"create": createFolder, "delete": deleteFolder}[*action]
	if err != nil || run == nil || !filepath.IsAbs(*folder) || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "usage: mkube-volume -a create|delete -p FOLDER [-s BYTES] [-m MODE]")
		return 2
	}
	if err := run(filepath.Clean(*folder)); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// createFolder creates a folder that every user can write to, because pods run as any user.
func createFolder(folder string) error {
	err := os.MkdirAll(folder, 0o777)
	if errors.Is(err, unix.ENAMETOOLONG) {
		return fmt.Errorf("the name %s is too long for a folder: give the StorageClass the parameter pathPattern of the class standard", filepath.Base(folder))
	}
	if err != nil {
		return err
	}
	return os.Chmod(folder, 0o777) // MkdirAll subtracts the umask
}

// deleteFolder removes a folder and everything in it. Paths can be longer than the kernel accepts, and
// files can have flags that prevent their removal. deleteFolder does not follow symbolic links. It
// removes nothing if another file system is mounted in the folder, because those files may not belong
// to the volume.
func deleteFolder(folder string) error {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if mounts := mountsIn(string(mountinfo), folder); len(mounts) > 0 {
		return fmt.Errorf("%s is mounted in the volume: unmount it on the node", strings.Join(mounts, ", "))
	}
	for {
		err := os.RemoveAll(folder)
		var failed *fs.PathError
		if !errors.Is(err, unix.EPERM) || !errors.As(err, &failed) || !clearFlags(folder, failed.Path) {
			return err
		}
	}
}

// mountsIn returns the mount points at or below a folder, by a proc_pid_mountinfo(5).
func mountsIn(mountinfo, folder string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := unescape.Replace(fields[4]); point == folder || strings.HasPrefix(point, folder+"/") {
			found = append(found, point)
		}
	}
	return found
}

// The flags of chattr(1) that prevent the removal of a file, see <linux/fs.h>.
const unremovable = 0x10 | 0x20 // FS_IMMUTABLE_FL, FS_APPEND_FL

// clearFlags clears these flags of a file in a folder, and of the folder that contains the file. It
// reports whether one of them was set.
func clearFlags(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	if err != nil {
		return false
	}
	root, err := os.OpenRoot(folder) // opens paths of any length
	if err != nil {
		return false
	}
	defer root.Close()
	file, parent := clearFlag(root, rel), clearFlag(root, filepath.Dir(rel))
	return file || parent
}

func clearFlag(root *os.Root, path string) bool {
	// Only files and folders have flags. To open another kind of file can block.
	info, err := root.Lstat(path)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return false
	}
	f, err := root.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil || flags&unremovable == 0 {
		return false
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^unremovable)) == nil
}
