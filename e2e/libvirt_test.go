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

// wantMachines skips a test of virtual machines, unless VM=1 is set or the test runs as root in
// CI. The tests need a hypervisor, which make machines installs (.ci/machines).
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

// startLibvirt runs libvirtd for the test, unless it runs already. At the end of the test, it
// removes everything that libvirtd created besides machines, and ends all its processes.
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
		// The network that Vagrant creates has its own process, which would outlive libvirtd.
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

// deleteBoxes deletes the volumes of vagrant-libvirt for the test's box.
func deleteBoxes(t *testing.T, ctx context.Context) {
	for _, line := range strings.Split(virsh(t, ctx, "vol-list", "default"), "\n") {
		if volume, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(volume, strings.ReplaceAll(testBox, "/", "-VAGRANTSLASH-")) {
			virsh(t, ctx, "vol-delete", volume, "--pool", "default")
		}
	}
}

// runLibvirtd runs libvirtd on a host without a service manager for it.
func runLibvirtd(t *testing.T, ctx context.Context, home string) {
	t.Helper()
	makeUser(t, ctx, "libvirt-qemu")
	const driver = "/etc/libvirt/qemu.conf"
	if _, err := os.Stat(driver); errors.Is(err, fs.ErrNotExist) {
		// Machines run as root, because only root may read the test's folders, and without
		// virtlogd.
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
	// If the test is killed, .ci/run ends libvirtd.
	daemon := exec.Command("libvirtd", "--config", settings, "--pid-file", "/run/mkube/libvirtd.pid")
	daemon.Stdout, daemon.Stderr = log, log
	daemon.WaitDelay = time.Second // a process that it started may keep its output open
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
		_ = daemon.Wait()                          // the test ends it, so any exit code is right
		if t.Failed() {
			t.Logf("libvirtd said:\n%s", log)
		}
	})
	eventually(t, "libvirtd answers", func() (bool, string) {
		out, err := exec.CommandContext(ctx, "virsh", "version").CombinedOutput()
		return err == nil, string(out)
	})
}

// makeUser creates a user that libvirtd requires, even if it does not use it. The package that
// would create it requires a service manager.
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

// listed returns the names of all networks or pools.
func listed(t *testing.T, ctx context.Context, list string) []string {
	t.Helper()
	return strings.Fields(virsh(t, ctx, list, "--all", "--name"))
}

// without returns the elements of a list that are not in another.
func without(list, other []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(other, s) })
}

// makeBox builds the box of the machines, unless its inputs are unchanged, and adds it to Vagrant.
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
