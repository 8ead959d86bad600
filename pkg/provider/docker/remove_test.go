package docker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestRemoveTakesVolumesAlong checks that Remove removes all volumes, including those that the
// engine keeps because they have a name.
func TestRemoveTakesVolumesAlong(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	e.foreign("odd", map[string]string{labelCluster: "blue"})
	if err := p.Remove(t.Context(), "blue", "odd"); err != nil {
		t.Fatal(err)
	}
	e.wants(t, append([]string{`network odd of "blue"`}, blue...)...)
}

// TestRemovalInProgress checks a container that the engine still removes for a killed command. The
// next command waits for the end of that removal, and removes the rest.
func TestRemovalInProgress(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"it succeeds": false, "it fails": true} {
		e, p := withBlue(t)
		if err := addOn(t.Context(), p, threeNodes, seedOf); err != nil {
			t.Fatal(err)
		}
		e.containers["blue-worker2"].removal = func() {
			if !fails {
				e.removeContainer("blue-worker2", true)
			}
		}
		if err := p.Remove(t.Context(), "blue", "blue-worker2"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.wants(t, blue...)
	}
}

// TestDeleteOfAKilledCreate checks containers that the engine creates for a killed create after
// Delete has listed the containers. Delete removes those too, but none of another create.
func TestDeleteOfAKilledCreate(t *testing.T) {
	t.Parallel()
	theirs := []string{`container late of "blue" on `, `volume late of "blue"`}
	for name, c := range map[string]struct {
		listed   int    // containers that exist at first
		lists    int    // the list of containers before which one more is created
		creation string // the creation of that container
		want     []string
	}{
		"the first container":           {listed: 0, lists: 4, creation: creation},
		"one more":                      {listed: 2, lists: 2, creation: creation},
		"the first of another create":   {listed: 0, lists: 4, creation: "mkube somebody else's", want: theirs},
		"a container of another create": {listed: 2, lists: 2, creation: "mkube somebody else's", want: theirs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, p := withBlue(t)
			if c.listed == 0 {
				e.removeContainer("blue-control-plane", true)
				e.removeContainer("blue-worker", true)
			}
			var lists int
			e.refuse = func(_ *http.Request, path string) string {
				if path != "/containers/json" {
					return ""
				}
				if lists++; lists == c.lists {
					e.foreign("late", map[string]string{labelCluster: "blue", labelCreation: c.creation})
					e.mu.Lock()
					defer e.mu.Unlock()
					delete(e.networks, "late")
					e.containers["late"].named = false
				}
				return ""
			}
			if err := deleteOn(t.Context(), p, twoNodes); err != nil {
				t.Fatal(err)
			}
			if lists < c.lists {
				t.Errorf("it looked for containers %d times", lists)
			}
			e.wants(t, c.want...)
		})
	}
}

// TestRemoveWaitsForVolumes checks a volume that is in use because the engine has not released it
// yet, although it has removed the container for another command.
func TestRemoveWaitsForVolumes(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	e.foreign("odd", map[string]string{labelCluster: "blue"})
	var refused int
	e.refuse = func(r *http.Request, path string) string {
		if r.Method == http.MethodDelete && path == "/volumes/odd" {
			if refused++; refused < 3 {
				return "remove odd: volume is in use"
			}
		}
		return ""
	}
	if err := p.Remove(t.Context(), "blue", "odd"); err != nil {
		t.Error(err)
	}
	e.wants(t, append([]string{`network odd of "blue"`}, blue...)...)
}

// TestStartOfALostTask checks that the error of an engine that has lost track of a container names the
// remedy.
func TestStartOfALostTask(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	e.refuse = func(_ *http.Request, path string) string {
		if path == "/containers/blue-worker/start" {
			return "task f9ce: already exists"
		}
		return ""
	}
	err := p.Start(t.Context(), "blue", "blue-worker")
	if err == nil || !strings.Contains(err.Error(), "starting blue-worker: ") || !strings.Contains(err.Error(), "restart the engine and its containerd") {
		t.Errorf("Start = %v", err)
	}
}

// TestDeleteWaitsForVolumes checks a volume that is in use because the engine has created its
// container, but does not list that yet.
func TestDeleteWaitsForVolumes(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	var refused int
	e.refuse = func(r *http.Request, path string) string {
		if r.Method == http.MethodDelete && path == "/volumes/blue-worker-0" {
			if refused++; refused < 3 {
				return "remove blue-worker-0: volume is in use"
			}
		}
		return ""
	}
	if err := deleteOn(t.Context(), p, twoNodes); err != nil {
		t.Fatal(err)
	}
	if refused != 3 {
		t.Errorf("the engine was asked %d times to remove a volume that was in use twice", refused)
	}
	e.wants(t)
}

// TestRemoveRefusesWhatIsNotTheClusters checks that Remove does not remove a container without the
// cluster's label, whatever its name is.
func TestRemoveRefusesWhatIsNotTheClusters(t *testing.T) {
	t.Parallel()
	for name, labels := range map[string]map[string]string{
		"another cluster's": {labelCluster: "red"}, "nobody's": nil, "named alike": {"com.example.cluster": "blue"},
	} {
		e, p := newEngine(t)
		e.foreign("blue-worker", labels)
		before := e.state()
		if err := p.Remove(t.Context(), "blue", "blue-worker"); fmt.Sprint(err) != "blue-worker is not a node of cluster blue" {
			t.Errorf("%s: Remove = %v", name, err)
		}
		e.wants(t, before...)
	}
}
