package providertest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// changes returns the steps for a provider that can change a cluster. They use the first cluster.
func (s *suite) changes(c provider.Changer) []step {
	with := func(test func(*testing.T, provider.Changer)) func(*testing.T) {
		return func(t *testing.T) { test(t, c) }
	}
	return []step{
		{"an error of the seed is the error of Add", with(s.addSeedFails)},
		{"of two Adds of a place at once one makes a node, and the others keep their files", with(s.addTwice)},
		{"Add of a node that exists is refused and does no harm", with(s.addAgain)},
		{"Remove of another cluster's node does no harm", with(s.removeForeign)},
		{"Delete of what an Add made deletes that node and no other", with(s.deleteAdded)},
		{"Remove deletes the node and no other", with(s.remove)},
	}
}

// three returns the first cluster with one more worker.
func (s *suite) three() config.Cluster {
	return s.config(first, config.Worker, config.ControlPlane, config.Worker)
}

var (
	twoNames   = []string{first + "-control-plane", first + "-worker"}
	threeNames = []string{first + "-control-plane", first + "-worker", first + "-worker2"}
)

func (s *suite) addSeedFails(t *testing.T, c provider.Changer) {
	_, err := c.Add(within(t), s.three(), 2, creation+" fails", func([]provider.Node) (map[string][]provider.File, error) { return nil, errSeed })
	if err == nil || !strings.Contains(err.Error(), errSeed.Error()) {
		t.Errorf("Add = %v; want %v", err, errSeed)
	}
	s.deleteMade(t, first, creation+" fails")
	s.wantNodes(t, first, twoNames...)
}

func (s *suite) addTwice(t *testing.T, c provider.Changer) {
	for _, n := range s.made {
		mark := provider.File{Path: "/etc/mkube-before-add", Data: []byte("kept")}
		if err := provider.WriteFiles(within(t), n, []provider.File{mark}); err != nil {
			t.Fatal(err)
		}
	}
	before := facts(s.wantNodes(t, first, twoNames...))
	known, won, lost := oneWins(t, "Add", func(creation string) (known []provider.Node, err error) {
		var added provider.Node
		added, err = c.Add(within(t), s.three(), 2, creation, func(nodes []provider.Node) (map[string][]provider.File, error) {
			known = slices.Clone(nodes)
			return named(nodes)
		})
		if err == nil {
			wantName(t, added)
		}
		return known, err
	})
	if got := names(known); !slices.Equal(got, []string{first + "-worker2"}) {
		t.Errorf("the seed of Add was given %q", got)
	}
	s.added = won
	s.deleteMade(t, first, lost)
	nodes := s.wantNodes(t, first, threeNames...)
	wantAddresses(t, s.three(), nodes)
	wantName(t, nodes...)
	after := facts(nodes)
	if got, want := after[first+"-worker2"], facts(known)[first+"-worker2"]; !reflect.DeepEqual(got, want) {
		t.Errorf("Nodes gives %v of the new node; the seed was given %v", got, want)
	}
	delete(after, first+"-worker2")
	if !reflect.DeepEqual(after, before) {
		t.Errorf("the other nodes are %v; before Add they were %v", after, before)
	}
	for _, n := range s.made {
		if out, err := provider.Output(within(t), n, "cat", "/etc/mkube-before-add"); string(out) != "kept" {
			t.Errorf("a file on %s is now %q, %v", n.Name(), out, err)
		}
	}
}

func (s *suite) addAgain(t *testing.T, c provider.Changer) {
	for _, place := range []int{0, 1, 2} {
		if _, err := c.Add(within(t), s.three(), place, creation+" again", noSeed); !errors.Is(err, provider.ErrExists) {
			t.Errorf("Add of node %d, which exists, = %v; want ErrExists", place, err)
		}
	}
	s.deleteMade(t, first, creation+" again")
	wantName(t, s.wantNodes(t, first, threeNames...)...)
}

// removeForeign ignores the errors, because Remove of a node of another cluster may return one or
// do nothing.
func (s *suite) removeForeign(t *testing.T, c provider.Changer) {
	for _, name := range []string{second + "-control-plane", prefix + "-control-plane", first, "", first + "-worker3"} {
		_ = c.Remove(within(t), first, name)
	}
	if err := c.Remove(within(t), first+"-never", first+"-worker"); err == nil {
		s.wantClusters(t, second, first, prefix)
	}
	wantName(t, s.wantNodes(t, first, threeNames...)...)
	wantName(t, s.wantNodes(t, second, second+"-control-plane")...)
	s.wantNodes(t, prefix, prefix+"-control-plane")
}

// deleteAdded deletes what Add created, by its creation.
func (s *suite) deleteAdded(t *testing.T, _ provider.Changer) {
	if s.added == "" {
		t.Fatal("no Add has succeeded")
	}
	gone := s.called(t, first+"-worker2")
	s.deleteMade(t, first, s.added)
	wantName(t, s.wantNodes(t, first, twoNames...)...)
	if err := gone.Run(within(t), provider.Cmd{Args: []string{"true"}}); err == nil {
		t.Error("a node that was deleted still runs commands")
	}
}

func (s *suite) remove(t *testing.T, c provider.Changer) {
	gone := s.called(t, first+"-worker")
	for range 2 {
		if err := c.Remove(within(t), first, gone.Name()); err != nil {
			t.Fatal(err)
		}
		wantName(t, s.wantNodes(t, first, twoNames[0])...)
	}
	if err := gone.Run(within(t), provider.Cmd{Args: []string{"true"}}); err == nil {
		t.Error("a node that was removed still runs commands")
	}
}

// called returns a node of the first cluster.
func (s *suite) called(t *testing.T, name string) provider.Node {
	t.Helper()
	nodes, err := s.provider.Nodes(within(t), first)
	for _, n := range nodes {
		if n.Name() == name {
			return n
		}
	}
	t.Fatalf("there is no node %s: %v", name, err)
	return nil
}

// power returns the steps for a provider that can stop and start nodes. They use the second
// cluster, which has one node.
func (s *suite) power(stopper provider.Stopper, starter provider.Starter) []step {
	return []step{
		{"Stop keeps a cluster's nodes and their addresses, and Start boots them", func(t *testing.T) { s.stopAndStart(t, stopper, starter) }},
	}
}

func (s *suite) stopAndStart(t *testing.T, stopper provider.Stopper, starter provider.Starter) {
	before := s.wantNodes(t, second, second+"-control-plane")
	endpoint, err := before[0].Endpoint(within(t), 6443)
	if err != nil {
		t.Fatal(err)
	}
	same := func() []provider.Node {
		nodes := s.wantNodes(t, second, second+"-control-plane")
		if got, want := facts(nodes), facts(before); !reflect.DeepEqual(got, want) {
			t.Errorf("Nodes gives %v; before it was %v", got, want)
		}
		return nodes
	}
	for range 2 {
		if err := stopper.Stop(within(t), second); err != nil {
			t.Fatal(err)
		}
		for _, n := range append(same(), before...) {
			err := n.Run(within(t), provider.Cmd{Args: []string{"true"}})
			exit := (*provider.ExitError)(nil)
			if err == nil || errors.As(err, &exit) || !strings.Contains(err.Error(), n.Name()) || !strings.Contains(err.Error(), "mkube start cluster") {
				t.Errorf("a command on a stopped node ends with %v", err)
			}
		}
	}
	wantName(t, s.made[1]) // the other cluster runs
	for range 2 {
		if err := starter.Start(within(t), second); err != nil {
			t.Fatal(err)
		}
		wantName(t, same()...)
		wantName(t, before...)
	}
	if again, err := before[0].Endpoint(within(t), 6443); again != endpoint || err != nil {
		t.Errorf("Endpoint(6443) is %q, %v after the start; before it was %q", again, err, endpoint)
	}
}
