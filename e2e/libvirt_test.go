//go:build e2e

package e2e

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wantMachines skips a test of virtual machines unless somebody asked for it by VM=1, or it
// runs as root in CI: it takes a hypervisor, which make machines installs (.ci/machines).
func wantMachines(t *testing.T) {
	t.Helper()
	const how = "run as root: make machines, or: VM=1 make test"
	switch vm, set := os.LookupEnv("VM"); {
	case vm == "1" && os.Geteuid() != 0:
		t.Fatal("only root can install and start libvirt: " + how)
	case vm == "1", !set && os.Getenv("CI") != "" && os.Geteuid() == 0:
	default:
		t.Skip("virtual machines are not tested; to test them, " + how)
	}
	for _, program := range []string{"vagrant", "libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "dnsmasq", "mmdebstrap"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Errorf("%s is not installed; %s", program, how)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// startLibvirt runs libvirtd for the test, unless there is one. What it makes besides
// machines is taken away when the test ends, and nothing of it runs on.
func startLibvirt(t *testing.T, ctx context.Context) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	t.Setenv("VAGRANT_HOME", filepath.Join(home, "vagrant"))
	t.Setenv("VAGRANT_CHECKPOINT_DISABLE", "1")
	t.Setenv("LIBVIRT_DEFAULT_URI", "qemu:///system")
	if exec.CommandContext(ctx, "virsh", "version").Run() != nil {
		runLibvirtd(t, ctx, home)
	}
	networks, pools := listed(t, ctx, "net-list"), listed(t, ctx, "pool-list")
	t.Cleanup(func() {
		// Vagrant's network for itself has a process of its own, which would outlive libvirtd.
		ctx := context.Background()
		for _, name := range without(listed(t, ctx, "net-list"), networks) {
			virsh(t, ctx, "net-destroy", name)
			virsh(t, ctx, "net-undefine", name)
		}
		made := listed(t, ctx, "pool-list")
		if slices.Contains(made, "default") {
			deleteBoxes(t, ctx)
		}
		made = without(made, pools)
		for _, name := range made {
			virsh(t, ctx, "pool-destroy", name)
			virsh(t, ctx, "pool-undefine", name)
		}
	})
}

// deleteBoxes takes away what vagrant-libvirt keeps of the test's box.
func deleteBoxes(t *testing.T, ctx context.Context) {
	for _, line := range strings.Split(virsh(t, ctx, "vol-list", "default"), "\n") {
		if volume, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(volume, strings.ReplaceAll(testBox, "/", "-VAGRANTSLASH-")) {
			virsh(t, ctx, "vol-delete", volume, "--pool", "default")
		}
	}
}

// runLibvirtd runs libvirtd on a host whose service manager does not.
func runLibvirtd(t *testing.T, ctx context.Context, home string) {
	t.Helper()
	makeUser(t, ctx, "libvirt-qemu")
	const driver = "/etc/libvirt/qemu.conf"
	if _, err := os.Stat(driver); errors.Is(err, fs.ErrNotExist) {
		// Machines as root: the test's own folders are nobody else's. And without virtlogd.
		settings := "user = \"root\"\ngroup = \"root\"\nstdio_handler = \"file\"\ncgroup_controllers = [ ]\nsecurity_driver = \"none\"\n"
		if err := os.WriteFile(driver, []byte(settings), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(driver) })
	}
	settings := filepath.Join(home, "libvirtd.conf")
	if err := os.WriteFile(settings, []byte("auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nunix_sock_rw_perms = \"0700\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log := new(strings.Builder)
	if err := os.MkdirAll("/run/mkube", 0o755); err != nil {
		t.Fatal(err)
	}
	// .ci/run ends it where this test could not.
	daemon := exec.Command("libvirtd", "--config", settings, "--pid-file", "/run/mkube/libvirtd.pid")
	daemon.Stdout, daemon.Stderr = log, log
	daemon.WaitDelay = time.Second // what it has started may hold its output open
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if t.Failed() {
			t.Logf("libvirtd said:\n%s", log)
		}
	})
	eventually(t, "libvirtd answers", func() (bool, string) {
		out, err := exec.CommandContext(ctx, "virsh", "version").CombinedOutput()
		return err == nil, string(out)
	})
}

// makeUser makes a user whom libvirtd wants to be there, used or not. The package that
// would make it wants a service manager.
func makeUser(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	if exec.CommandContext(ctx, "getent", "passwd", name).Run() == nil {
		return
	}
	add := []string{"useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/libvirt", "--shell", "/usr/sbin/nologin", name}
	if out, err := exec.CommandContext(ctx, add[0], add[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", add, err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", name).CombinedOutput(); err != nil {
			t.Errorf("userdel %s: %v\n%s", name, err, out)
		}
	})
}

func virsh(t *testing.T, ctx context.Context, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, "virsh", args...).CombinedOutput()
	if err != nil {
		t.Errorf("virsh %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// listed are the names of what there is of networks or pools.
func listed(t *testing.T, ctx context.Context, list string) []string {
	t.Helper()
	return strings.Fields(virsh(t, ctx, list, "--all", "--name"))
}

// without is what of a list is not in another.
func without(list, other []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(other, s) })
}

// makeBox makes the box of the machines, unless its inputs are as they were, and tells
// Vagrant of it.
func makeBox(t *testing.T, ctx context.Context) {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "mkube", "e2e", "vagrant-"+digest(t, "../images/vagrant-box")+digest(t, "../node-image/packages.txt")+".box")
	if _, err := os.Stat(file); err != nil {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(ctx, "../images/vagrant-box/build.sh", file).CombinedOutput(); err != nil {
			t.Fatalf("building the box: %v\n%s", err, out)
		}
	}
	if out, err := exec.CommandContext(ctx, "vagrant", "box", "add", "--name", testBox, file).CombinedOutput(); err != nil {
		t.Fatalf("adding the box: %v\n%s", err, out)
	}
}
