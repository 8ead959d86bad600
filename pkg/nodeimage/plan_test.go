package nodeimage

import (
	"slices"
	"strings"
	"testing"
)

// source is the folder node-image of this clone.
const source = "../../node-image"

// TestPlan checks that the parts are those of the clone, and that all versions are known.
func TestPlan(t *testing.T) {
	t.Parallel()
	b := &builder{Options: Options{Source: source}}
	parts, versions, err := b.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
		if !exists(p.dir + "/go.mod") {
			t.Errorf("part %s has no go.mod in %s", p.name, p.dir)
		}
		if len(p.packages) == 0 || p.short == "" {
			t.Errorf("part %s builds %q, said to be %q", p.name, p.packages, p.short)
		}
	}
	if want := []string{"kubernetes", "containerd", "runc", "crictl", "pause", "coredns", "cni-plugins", "local-path-provisioner", "mkube-node"}; !slices.Equal(names, want) {
		t.Errorf("parts are %q; want %q", names, want)
	}
	if !strings.HasPrefix(versions.Kubernetes, "v1.") || strings.HasPrefix(versions.Etcd, "v") || !strings.HasSuffix(versions.Etcd, "-0") ||
		!strings.HasPrefix(versions.CoreDNS, "v1.") || !strings.HasPrefix(versions.Pause, "3.") ||
		!strings.HasPrefix(versions.LocalPath, "v0.") || !strings.HasPrefix(versions.MetricsServer, "v0.") {
		t.Errorf("versions are %+v", versions)
	}
}

// TestPlanRefuses checks that an unsupported version is an error before anything is downloaded.
func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.36.4":  `invalid Kubernetes version "1.36.4": use a version such as v1.36.4`,
		"v1.20.0": "Kubernetes v1.20.0 is too old for mkube: the oldest that can be built is v1.34.0",
	} {
		b := &builder{Options: Options{Source: source, KubernetesVersion: version}}
		if _, _, err := b.plan(t.Context()); err == nil || err.Error() != want {
			t.Errorf("plan of %s = %v; want %s", version, err, want)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	if got := Name("v1.37.2"); got != "mkube/node:v1.37.2" {
		t.Errorf("Name = %s", got)
	}
}

func TestNewBuilder(t *testing.T) {
	t.Parallel()
	_, err := newBuilder(Options{Source: t.TempDir()}, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "; run this in a clone of mkube, or set its node-image folder with --source") {
		t.Errorf("newBuilder = %v", err)
	}
	b, err := newBuilder(Options{Source: source, BaseImage: "debian:12", Cache: "cache"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{b.Source, b.Cache} {
		if !strings.HasPrefix(path, "/") {
			t.Errorf("%s is not absolute", path)
		}
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a\n": "a", "a\nb\n": "a\nb", "a\nb\nc\n\n": "b\nc", "a\nb\nc": "b\nc"} {
		if got := lastLines(in, 2); got != want {
			t.Errorf("lastLines(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestRunSaysWhatTheToolSaid(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	b := &builder{Options: Options{Log: &log}}
	dir := t.TempDir()
	err := b.run(t.Context(), dir, []string{"WORD=no luck"}, "sh", "-c", "echo out; echo $WORD >&2; exit 3")
	if want := "running sh -c in " + dir + ": exit status 3\nout\nno luck"; err == nil || err.Error() != want {
		t.Errorf("run = %v; want %s", err, want)
	}
	if log.String() != "out\nno luck\n" {
		t.Errorf("the log is %q", log.String())
	}
	b.Log = nil
	if err := b.run(t.Context(), dir, nil, "true"); err != nil {
		t.Errorf("run = %v", err)
	}
}
