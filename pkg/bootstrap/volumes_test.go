package bootstrap_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/bootstraptest"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
)

// volumes are a bound, a retained and a released volume on mkube-worker, and a bound one on another
// node.
const volumes = `{"apiVersion":"v1","kind":"PersistentVolumeList","items":[
	{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-1","annotations":{"local.path.provisioner/selected-node":"mkube-worker"}},
	"spec":{"local":{"path":"/volumes/1"},"claimRef":{"namespace":"shop","name":"data-db-0"}},"status":{"phase":"Bound"}},
	{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-2","annotations":{"local.path.provisioner/selected-node":"mkube-worker"}},
	"spec":{"local":{"path":"/volumes/2"},"persistentVolumeReclaimPolicy":"Retain"},"status":{"phase":"Released"}},
	{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-3","annotations":{"local.path.provisioner/selected-node":"mkube-worker"}},
	"spec":{"local":{"path":"/volumes/3"},"persistentVolumeReclaimPolicy":"Delete"},"status":{"phase":"Released"}},
	{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pvc-4","annotations":{"local.path.provisioner/selected-node":"mkube-worker2"}},
	"spec":{"local":{"path":"/volumes/4"},"claimRef":{"namespace":"shop","name":"data-db-1"}},"status":{"phase":"Bound"}}]}`

// withVolumes gives a rig volumes. It returns the paths of the objects that are deleted from now on.
func withVolumes(r *rig) (deleted func() []string) {
	r.API.Object(bootstraptest.Volumes, volumes)
	var mu sync.Mutex
	var paths []string
	for _, name := range []string{"pvc-1", "pvc-2", "pvc-3", "pvc-4"} {
		path := bootstraptest.Volumes + "/" + name
		r.API.Handle(path, func(w http.ResponseWriter, request *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if request.Method == http.MethodDelete {
				paths = append(paths, path)
			}
			r.API.Default(w, request)
		})
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(paths)
	}
}

// TestVolumesOfADeletedNode checks that delete node names the claims whose files are lost, before
// it drains the node, and that it deletes the volumes that nothing else would delete.
func TestVolumesOfADeletedNode(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	deleted := withVolumes(r)
	var warnings []string
	warn := func(line string) {
		if r.ran("control-plane", "kubectl drain") {
			t.Error("the node was drained before the warning")
		}
		warnings = append(warnings, line)
	}
	if _, err := bootstrap.RemoveNode(t.Context(), r, "mkube", "worker", bootstrap.RemoveOptions{Drain: time.Minute, Options: bootstrap.Options{Warn: warn}}); err != nil {
		t.Fatal(err)
	}
	want := "the volumes on node mkube-worker are lost with it: claim shop/data-db-0, volume pvc-2; a new node with this name gets empty volumes"
	if len(warnings) != 1 || warnings[0] != want {
		t.Errorf("the warnings are %q; want %q", warnings, want)
	}
	if got := deleted(); !slices.Equal(got, []string{bootstraptest.Volumes + "/pvc-3"}) {
		t.Errorf("the deleted volumes are %q; want only the released one", got)
	}
}

// TestVolumesOfAGoneNode checks that delete node deletes volumes also if it finds the node gone.
func TestVolumesOfAGoneNode(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	deleted := withVolumes(r)
	if err := r.Remove(t.Context(), "mkube", "mkube-worker"); err != nil {
		t.Fatal(err)
	}
	if err := r.removeNode(t, "worker"); err != nil {
		t.Fatal(err)
	}
	if got := deleted(); !slices.Equal(got, []string{bootstraptest.Volumes + "/pvc-3"}) {
		t.Errorf("the deleted volumes are %q; want only the released one", got)
	}
}

// TestUnknownVolumes checks that a node can be deleted if its volumes cannot be listed.
func TestUnknownVolumes(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	fails := true
	r.API.Handle(bootstraptest.Volumes, func(w http.ResponseWriter, request *http.Request) {
		if fails {
			fails = false
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		r.API.Default(w, request)
	})
	var warnings []string
	_, err := bootstrap.RemoveNode(t.Context(), r, "mkube", "worker", bootstrap.RemoveOptions{
		Options: bootstrap.Options{Warn: func(line string) { warnings = append(warnings, line) }},
	})
	if err != nil || len(warnings) != 1 || r.Names(t) != "control-plane worker2" {
		t.Errorf("the warnings are %q, the nodes %s, %v; want one warning, and no mkube-worker", warnings, r.Names(t), err)
	}
}

// TestVolumesOfAReplacedNode checks that a node with the name of a former one gets the folders of
// its volumes.
func TestVolumesOfAReplacedNode(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	withVolumes(r)
	if err := r.removeNode(t, "worker"); err != nil {
		t.Fatal(err)
	}
	if name, err := r.addNode(t, config.Node{Role: config.Worker}); err != nil || name != "mkube-worker" {
		t.Fatalf("added %q, %v", name, err)
	}
	if !r.ran("worker", "mkdir -m 0777 -p -- /volumes/1 /volumes/2 /volumes/3") || r.ran("worker", "/volumes/4") {
		t.Error("the new node has not the folders of its volumes")
	}
}
