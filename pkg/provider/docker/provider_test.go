package docker

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// twoNodes is a cluster with one worker.
var twoNodes = config.Cluster{Name: "blue", Nodes: []config.Node{{}, {Role: config.Worker}}}

// threeNodes is twoNodes with one more worker.
var threeNodes = config.Cluster{Name: "blue", Nodes: []config.Node{{}, {Role: config.Worker}, {Role: config.Worker}}}

// blue is the state of an engine on which only twoNodes exists.
var blue = []string{
	`container blue-control-plane of "blue" on mkube-blue`, `container blue-worker of "blue" on mkube-blue`,
	`network mkube-blue of "blue"`, `volume blue-control-plane-0 of "blue"`, `volume blue-worker-0 of "blue"`,
}

// withBlue returns an engine with twoNodes, and a provider on it.
func withBlue(t *testing.T) (*engine, *Provider) {
	t.Helper()
	e, p := newEngine(t)
	if err := createOn(t.Context(), p, twoNodes, seedOf); err != nil {
		t.Fatal(err)
	}
	return e, p
}

func (e *engine) wants(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := e.state(); !slices.Equal(got, want) {
		t.Errorf("the engine has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCreateAndDelete(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	e.wants(t, blue...)
	for name, ip := range map[string]string{"blue-control-plane": ".2", "blue-worker": ".3"} {
		c := e.containers[name]
		if !c.started || !slices.Equal(c.files, []string{"etc/mkube/name"}) || !strings.HasSuffix(c.ip, ip) {
			t.Errorf("%s is started: %t, has the files %q and the address %s", name, c.started, c.files, c.ip)
		}
		if c.config.Labels[labelIP] != c.ip {
			t.Errorf("%s has the address %s and the label %s", name, c.ip, c.config.Labels[labelIP])
		}
	}
	if names, err := p.Clusters(t.Context()); !slices.Equal(names, []string{"blue"}) || err != nil {
		t.Errorf("Clusters = %q, %v", names, err)
	}
	if err := deleteOn(t.Context(), p, twoNodes); err != nil {
		t.Fatal(err)
	}
	e.wants(t)
}

// TestDeleteTouchesNothingElse checks that Delete keeps other clusters, and everything without a
// label. A container of the user on the cluster's network only loses that network.
func TestDeleteTouchesNothingElse(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	e.foreign("red-control-plane", map[string]string{labelCluster: "red"})
	e.foreign("blueish", map[string]string{labelCluster: "blue2"})
	e.foreign("blue-registry", nil)
	e.foreign("killed", map[string]string{labelCluster: "blue"})
	guest := e.containers["blue-registry"]
	guest.network = "mkube-blue"
	e.networks["mkube-blue"].Containers["blue-registry"] = e.networks["mkube-blue"].Containers["blue-worker"]
	// A container leaves its networks when it is removed.
	for _, name := range []string{"blue-control-plane", "blue-worker"} {
		delete(e.networks["mkube-blue"].Containers, name)
	}
	if err := deleteOn(t.Context(), p, twoNodes); err != nil {
		t.Fatal(err)
	}
	e.wants(t,
		`container red-control-plane of "red" on `, `network red-control-plane of "red"`, `volume red-control-plane of "red"`,
		`container blueish of "blue2" on `, `network blueish of "blue2"`, `volume blueish of "blue2"`,
		`container blue-registry of "" on `, `network blue-registry of ""`, `volume blue-registry of ""`)
	if err := deleteOn(t.Context(), p, twoNodes); err != nil {
		t.Errorf("deleting it again: %v", err)
	}
}

func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	if err := addOn(t.Context(), p, threeNodes, seedOf); err != nil {
		t.Fatal(err)
	}
	e.wants(t, append([]string{`container blue-worker2 of "blue" on mkube-blue`, `volume blue-worker2-0 of "blue"`}, blue...)...)
	c := e.containers["blue-worker2"]
	if !c.started || !strings.HasSuffix(c.ip, ".4") || !slices.Equal(c.files, []string{"etc/mkube/name"}) {
		t.Errorf("the new node is started: %t, with %s and %q", c.started, c.ip, c.files)
	}
	if err := p.Remove(t.Context(), "blue", "blue-worker2"); err != nil {
		t.Fatal(err)
	}
	e.wants(t, blue...)
	if err := p.Remove(t.Context(), "blue", "blue-worker2"); err != nil {
		t.Errorf("removing a node that is not there: %v", err)
	}
}

// TestNodesThatAreTaken checks that a container of the user with the name of a node is an error,
// and is kept.
func TestNodesThatAreTaken(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	e.foreign("blue-worker2", nil)
	before := e.state()
	err := addOn(t.Context(), p, threeNodes, seedOf)
	want := "container blue-worker2 already exists and is not a node of cluster blue: remove that container first"
	if !errors.Is(err, provider.ErrExists) || err.Error() != want {
		t.Errorf("Add = %v", err)
	}
	e.wants(t, before...)
}

func TestTheSeedComesFirst(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	broken := errors.New("no such luck")
	seed := func([]provider.Node) (map[string][]provider.File, error) { return nil, broken }
	if err := addOn(t.Context(), p, threeNodes, seed); !errors.Is(err, broken) {
		t.Errorf("Add = %v", err)
	}
	e.wants(t, blue...)
}

// TestANetworkThatIsThere checks a network of the same name, which means that another create has
// begun.
func TestANetworkThatIsThere(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	err := createOn(t.Context(), p, twoNodes, seedOf)
	if err == nil || !strings.Contains(err.Error(), "network mkube-blue already exists") {
		t.Errorf("Create = %v", err)
	}
	e.wants(t, blue...)
}

// TestASubnetThatWasJustTaken checks that the next subnet is used.
func TestASubnetThatWasJustTaken(t *testing.T) {
	t.Parallel()
	e, p := newEngine(t)
	asked := 0
	e.refuse = func(_ *http.Request, path string) string {
		if path != "/networks/create" {
			return ""
		}
		if asked++; asked > 2 {
			return ""
		}
		return "Pool overlaps with other one on this address space"
	}
	if err := createOn(t.Context(), p, twoNodes, seedOf); err != nil {
		t.Fatal(err)
	}
	e.wants(t, blue...)
	if asked != 3 {
		t.Errorf("the engine was asked for a network %d times", asked)
	}
}

// TestACapabilityThatTheEngineLacks checks that the node is created again without a capability if
// the engine refuses the start of the container.
func TestACapabilityThatTheEngineLacks(t *testing.T) {
	t.Parallel()
	e, p := newEngine(t)
	refused := false
	e.refuse = func(_ *http.Request, path string) string {
		if path == "/containers/blue-control-plane/start" && !refused {
			refused = true
			return "unable to apply caps: operation not permitted"
		}
		return ""
	}
	one := config.Cluster{Name: "blue"}
	if err := createOn(t.Context(), p, one, seedOf); err != nil {
		t.Fatal(err)
	}
	c := e.containers["blue-control-plane"]
	if !refused || !c.started || c.host.Privileged || !slices.Contains(c.host.CapDrop, "CAP_SYS_RESOURCE") || slices.Contains(c.host.CapDrop, "CAP_SYS_ADMIN") {
		t.Errorf("it was refused: %t; it is started: %t, privileged: %t, without %q", refused, c.started, c.host.Privileged, c.host.CapDrop)
	}
	e.wants(t, `container blue-control-plane of "blue" on mkube-blue`, `network mkube-blue of "blue"`, `volume blue-control-plane-0 of "blue"`)
}

// TestACancelledCreateIsOver checks that a container that the engine creates for a canceled Create
// exists when Create returns, so that Delete finds it, and that it is not started.
func TestACancelledCreateIsOver(t *testing.T) {
	t.Parallel()
	e, p := newEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e.refuse = func(r *http.Request, path string) string {
		if path == "/containers/create" {
			cancel()
			select {
			case <-r.Context().Done():
				t.Error("the engine's answer is not waited for")
			case <-time.After(100 * time.Millisecond): // a canceled request would end by then
			}
		}
		return ""
	}
	if err := createOn(ctx, p, config.Cluster{Name: "blue"}, seedOf); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v", err)
	}
	if c := e.containers["blue-control-plane"]; c == nil || c.started {
		t.Errorf("the container is %+v", c)
	}
	if err := deleteOn(t.Context(), p, twoNodes); err != nil {
		t.Error(err)
	}
	e.wants(t)
}

// TestDeleteOfACreation checks that Delete removes only what an add has created.
func TestDeleteOfACreation(t *testing.T) {
	t.Parallel()
	e, p := withBlue(t)
	before := e.state()
	if err := addOn(t.Context(), p, threeNodes, seedOf); err != nil {
		t.Fatal(err)
	}
	after := e.state()
	if err := p.Delete(t.Context(), "blue", "mkube somebody else's"); err != nil {
		t.Fatal(err)
	}
	e.wants(t, after...)
	if err := p.Delete(t.Context(), "blue", creation+" more"); err != nil {
		t.Fatal(err)
	}
	e.wants(t, before...)
	if err := p.Delete(t.Context(), "blue", creation); err != nil {
		t.Fatal(err)
	}
	e.wants(t)
}

// TestTwoNetworks checks an engine that accepts two networks with one name: the two commands do not
// both get the cluster.
func TestTwoNetworks(t *testing.T) {
	t.Parallel()
	e, p := newEngine(t)
	e.foreign("other", map[string]string{labelCluster: "blue"})
	if _, _, err := createNetwork(t.Context(), p.client, p.machine, imaged(threeNodes), creation); !errors.Is(err, provider.ErrExists) {
		t.Errorf("createNetwork = %v; want ErrExists", err)
	}
	if got := strings.Join(e.state(), "\n"); strings.Contains(got, "network mkube-blue ") {
		t.Errorf("its network is left:\n%s", got)
	}
}
