package nodeimage

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestDeriveMod(t *testing.T) {
	t.Parallel()
	upstream, err := os.ReadFile("testdata/kubernetes.mod")
	if err != nil {
		t.Fatal(err)
	}
	pinned := []byte("module x\n\nrequire (\n\texample.com/addon v1.2.3\n\tgithub.com/spf13/cobra v1.99.0\n\tgithub.com/mkube/mkube/images/beside v0.0.0\n\tk8s.io/kubernetes v1.37.2\n)\n")
	local := []string{"github.com/mkube/mkube/images/beside"}
	got, err := deriveMod(upstream, pinned, "v1.36.4", local)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/derived.mod.golden", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/derived.mod.golden")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("deriveMod gave\n%s; want\n%s", got, want)
	}
	if again, err := deriveMod(upstream, pinned, "v1.36.4", local); err != nil || string(again) != string(got) {
		t.Errorf("the second time deriveMod gave\n%s, %v", again, err)
	}
}

func TestDeriveModOfNoMod(t *testing.T) {
	t.Parallel()
	_, err := deriveMod([]byte("modul x"), []byte("module x"), "v1.36.4", nil)
	if want := "reading the go.mod of Kubernetes v1.36.4: "; !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("deriveMod = %v; want %s", err, want)
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	const malformed, old = "invalid Kubernetes version %q: use a version such as v1.36.4", "Kubernetes %s is too old for mkube: the oldest that can be built is v1.34.0"
	for version, want := range map[string]string{
		"v1.34.0": "", "v1.37.2": "", "v1.38.0-alpha.1": "", "v2.0.0": "",
		"1.36.4": malformed, "v1.36": malformed, "v1": malformed, "": malformed, "latest": malformed, "v1.36.x": malformed,
		"v1.33.9": old, "v1.34.0-rc.1": old, "v0.9.0": old,
	} {
		got := ""
		if err := checkVersion(version); err != nil {
			got = err.Error()
		}
		if want != "" {
			want = fmt.Sprintf(want, version)
		}
		if got != want {
			t.Errorf("checkVersion(%q) = %q; want %q", version, got, want)
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	const want = "-X k8s.io/component-base/version.gitVersion=v1.36.4 -X k8s.io/component-base/version.gitMajor=1 " +
		"-X k8s.io/component-base/version.gitMinor=36 -X k8s.io/component-base/version.gitTreeState=clean " +
		"-X k8s.io/client-go/pkg/version.gitVersion=v1.36.4 -X k8s.io/client-go/pkg/version.gitMajor=1 " +
		"-X k8s.io/client-go/pkg/version.gitMinor=36 -X k8s.io/client-go/pkg/version.gitTreeState=clean"
	if got := stamp("v1.36.4"); got != want {
		t.Errorf("stamp = %s; want %s", got, want)
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/go.mod", "module x\nrequire (\n\ta.example/b v1.2.3\n\ta.example/bc v0.9.9 // indirect\n)\n", 0o644)
	if got, err := required(dir, "a.example/b"); got != "v1.2.3" || err != nil {
		t.Errorf("required = %s, %v", got, err)
	}
	if got, err := required(dir, "a.example/bc"); got != "v0.9.9" || err != nil {
		t.Errorf("required = %s, %v", got, err)
	}
	if _, err := required(dir, "a.example"); fmt.Sprint(err) != dir+"/go.mod does not require a.example" {
		t.Errorf("required = %v", err)
	}
	if _, err := required(dir+"/none", "a.example"); err == nil {
		t.Error("no go.mod is no error")
	}
}

func write(t *testing.T, path, data string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
}
