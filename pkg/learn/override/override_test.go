package override_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/override"
)

const (
	schedulerManifest = "/etc/kubernetes/manifests/kube-scheduler.yaml"
	ownScheduler      = "/usr/local/lib/mkube/kube-scheduler"
)

// program returns an ELF file with segments of these types.
func program(t *testing.T, segments ...elf.ProgType) []byte {
	t.Helper()
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(segments)), Shentsize: 64,
	}
	copy(header.Ident[:], elf.ELFMAG+string([]byte{byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}))
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if err := binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(s)}); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// running returns a rig with the control planes of a configuration. A static pod on it ends as
// soon as its manifest is deleted, and runs as soon as its manifest is there.
func running(t *testing.T, cfg config.Cluster) *rig {
	t.Helper()
	r := newRig(t)
	if _, err := r.CreateCluster(t.Context(), cfg, bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	r.Broken = func(args []string) (string, int, bool) {
		// This is the script that checks whether the pod has ended. Its last argument is the
		// name.
		return "", 0, args[0] == "sh" && args[len(args)-1] == "kube-scheduler"
	}
	return r
}

func (r *rig) run(t *testing.T, what string, own *override.Program) error {
	t.Helper()
	return override.Run(t.Context(), r, "mkube", what, own, bootstrap.Options{Wait: time.Minute})
}

// scheduler returns the first container in the manifest of kube-scheduler, and its pod.
func (r *rig) scheduler(t *testing.T, node string) (corev1.Container, corev1.Pod) {
	t.Helper()
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(r.File(t, node, schedulerManifest)), &pod); err != nil {
		t.Fatal(err)
	}
	return pod.Spec.Containers[0], pod
}

func TestRunOwn(t *testing.T) {
	t.Parallel()
	r := running(t, config.Cluster{Nodes: []config.Node{{}, {}, {}}})
	before := r.File(t, "control-plane2", schedulerManifest)
	was, _ := r.scheduler(t, "control-plane2")
	own := &override.Program{Binary: program(t, elf.PT_LOAD)}
	if err := r.run(t, "kube-scheduler", own); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"control-plane", "control-plane2", "control-plane3"} {
		if got, want := r.EveryFile(t)["mkube-"+node+":"+ownScheduler], "755 "+string(own.Binary); got != want {
			t.Errorf("%s has the program %q; want %q", node, got, want)
		}
		c, pod := r.scheduler(t, node)
		if len(was.Command) < 2 || !slices.Equal(c.Command, append([]string{ownScheduler}, was.Command[1:]...)) {
			t.Errorf("on %s it is run as %q; mkube's is %q", node, c.Command, was.Command)
		}
		if c.StartupProbe != nil || c.LivenessProbe != nil || c.ReadinessProbe != nil {
			t.Errorf("on %s its health is asked for", node)
		}
		mounted(t, c, pod)
	}
	c, _ := r.scheduler(t, "control-plane2")
	if len(c.VolumeMounts) != len(was.VolumeMounts)+1 {
		t.Errorf("it has the mounts %+v; mkube's has %+v", c.VolumeMounts, was.VolumeMounts)
	}
	if err := r.run(t, "kube-scheduler", nil); err != nil {
		t.Fatal(err)
	}
	if got := r.File(t, "control-plane2", schedulerManifest); got != before {
		t.Errorf("mkube's own is\n%s\nand was\n%s", got, before)
	}
}

// mounted checks that the binary of the node is mounted at the path that is run, read-only.
func mounted(t *testing.T, c corev1.Container, pod corev1.Pod) {
	t.Helper()
	mount := c.VolumeMounts[len(c.VolumeMounts)-1]
	if mount.MountPath != ownScheduler || !mount.ReadOnly {
		t.Errorf("the program is mounted as %+v", mount)
	}
	for _, v := range pod.Spec.Volumes {
		if v.Name != mount.Name {
			continue
		}
		if v.HostPath == nil || v.HostPath.Path != ownScheduler || *v.HostPath.Type != corev1.HostPathFile {
			t.Errorf("the program comes from %+v", v.HostPath)
		}
		return
	}
	t.Errorf("there is no volume %s", mount.Name)
}

// TestRunOwnKeepsExtraFiles checks that a user's program has the files and the flags of the
// component.
func TestRunOwnKeepsExtraFiles(t *testing.T) {
	t.Parallel()
	const path = "/etc/kubernetes/extra/scheduler.yaml"
	r := running(t, config.Cluster{
		ExtraFiles: map[string][]config.ExtraFile{"kube-scheduler": {{
			Content: new("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"), Path: path,
		}}},
		ExtraArgs: map[string]map[string]string{"kube-scheduler": {"config": path}},
	})
	if err := r.run(t, "kube-scheduler", &override.Program{Binary: program(t, elf.PT_LOAD)}); err != nil {
		t.Fatal(err)
	}
	c, pod := r.scheduler(t, "control-plane")
	mounted(t, c, pod)
	if !slices.Contains(c.Command, "--config="+path) || !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path }) {
		t.Errorf("it runs as %q with the mounts %+v", c.Command, c.VolumeMounts)
	}
	if got := r.File(t, "control-plane", path); !strings.Contains(got, "kubeconfig: /etc/kubernetes/scheduler.conf") {
		t.Errorf("the file is\n%s", got)
	}
}

func TestRunOwnWithArguments(t *testing.T) {
	t.Parallel()
	r := running(t, config.Cluster{})
	for _, args := range [][]string{{"--config=/x", "two words"}, {}} {
		if err := r.run(t, "kube-scheduler", &override.Program{Binary: program(t), Args: args}); err != nil {
			t.Fatal(err)
		}
		if c, _ := r.scheduler(t, "control-plane"); !slices.Equal(c.Command, append([]string{ownScheduler}, args...)) {
			t.Errorf("with %q it is run as %q", args, c.Command)
		}
	}
}

// TestRunOwnEndsTheOldOneFirst checks that the manifest is deleted, and the new manifest is
// written only after the container has ended. The kubelet would not restart a pod of which only
// the binary has changed.
func TestRunOwnEndsTheOldOneFirst(t *testing.T) {
	t.Parallel()
	r := running(t, config.Cluster{})
	begin := len(r.Calls())
	if err := r.run(t, "kube-scheduler", &override.Program{Binary: program(t)}); err != nil {
		t.Fatal(err)
	}
	calls := slices.DeleteFunc(r.Calls()[begin:], func(c fake.Call) bool { return c.Method != "Run" })
	at := func(words string) int {
		return slices.IndexFunc(calls, func(c fake.Call) bool { return strings.HasPrefix(strings.Join(c.Args, " "), words) })
	}
	removed, ended, runs := at("rm -f "+schedulerManifest), at("sh -c for i"), at("crictl ps --quiet --state running --name ^kube-scheduler$")
	written := -1
	for i, c := range calls {
		if c.Args[0] == "tar" && slices.Contains(c.Args, "-xf") {
			written = i // the last archive is the manifest
		}
	}
	if removed < 0 || removed >= ended || ended >= written || written >= runs {
		t.Errorf("the manifest is removed at %d, its container ended at %d, the new manifest is there at %d and its container runs at %d", removed, ended, written, runs)
	}
}

// TestRunOwnWaits checks that a program that exits immediately is an error.
func TestRunOwnWaits(t *testing.T) {
	t.Parallel()
	r := running(t, config.Cluster{})
	ended := r.Broken
	r.Broken = func(args []string) (string, int, bool) {
		if args[0] == "crictl" {
			return "", 0, true
		}
		return ended(args)
	}
	err := override.Run(t.Context(), r, "mkube", "kube-scheduler", &override.Program{Binary: program(t)}, bootstrap.Options{Wait: time.Second})
	if err == nil || !strings.Contains(err.Error(), "no container of kube-scheduler runs") {
		t.Errorf("RunOwn = %v", err)
	}
}

func TestRunOwnRefuses(t *testing.T) {
	t.Parallel()
	r := running(t, config.Cluster{})
	begin := len(r.Calls())
	for _, test := range []struct {
		what string
		own  *override.Program
		want string
	}{
		{"kubelet", nil, "kubelet is not a static pod"},
		{"kube-scheduler", &override.Program{Binary: []byte("#!/bin/sh")}, "the binary is not a program for Linux"},
		{"kube-scheduler", &override.Program{Binary: nil}, "the binary is not a program for Linux"},
		{"kube-scheduler", &override.Program{Binary: program(t, elf.PT_LOAD, elf.PT_INTERP)}, "CGO_ENABLED=0"},
	} {
		if err := r.run(t, test.what, test.own); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("RunOwn of %s = %v; want %q", test.what, err, test.want)
		}
	}
	for _, c := range r.Calls()[begin:] {
		if c.Method == "Run" && c.Args[0] == "rm" {
			t.Errorf("it was changed all the same: %q", c.Args)
		}
	}
}
