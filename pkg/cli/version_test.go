package cli

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestKubernetesVersion checks that the default release is the one that the node image pins.
func TestKubernetesVersion(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../node-image/kubernetes/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\tk8s.io/kubernetes " + kubernetesVersion + "\n"; !strings.Contains(string(data), want) {
		t.Errorf("node-image/kubernetes/go.mod does not pin%s", want)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want(t, w.run(t, "version"), OK, "mkube "+version()+" "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+", Kubernetes v1.37.2\n", "")

	w = newWorld(t)
	if code := w.run(t, "version -o json"); code != OK {
		t.Errorf("exit code %d", code)
	}
	var got versions
	if err := json.Unmarshal(w.out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (versions{version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, "v1.37.2"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}

	w = newWorld(t)
	w.want(t, w.run(t, "--version"), OK, "mkube version "+version()+"\n", "")
}
