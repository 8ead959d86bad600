//go:build e2e && chaos

package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 10, "how many rounds of chaos")
	seed   = flag.Uint64("seed", 0, "what the rounds are chosen by; 0 chooses one")
	only   = flag.String("only", "", "a regular expression: use only the kinds of rounds whose names match")
)

// The clusters that exist in all rounds, and the one that is created and killed.
const (
	oneName   = "chaos-one"
	threeName = "chaos-three"
	newName   = "chaos-new"
)

// chaos is a separate engine with two clusters. The rounds kill commands and the engine.
type chaos struct {
	*remoteEngine
	rand *rand.Rand
	// whole is the test of all rounds. A program that a round starts for later rounds ends with
	// it.
	whole *testing.T
	// stored is the number of objects that were created in each cluster.
	stored int
	// limit is the time limit until a cluster is whole again, as the value of --wait.
	limit string
}

// wholeLimit returns the time limit until a cluster is whole again. It is a minute, or the time of
// six creates, which is longer on a machine where a create takes more than 10 s.
func wholeLimit(create time.Duration) time.Duration {
	return max(time.Minute, 6*create).Round(time.Second)
}

// TestChaos kills commands and the engine at random moments. A whole cluster must be whole again
// within the limit (see wholeLimit), no object may be lost, and nothing may be left of what was
// half created.
func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d rounds, -seed %d", *rounds, *seed)
	c := newChaos(t)
	// These clusters are not deleted at the end, unlike those of other tests: the engine, which
	// rounds start again, would have ended before. Everything in the engine is deleted with it.
	start := time.Now()
	mkube(t, "create", "cluster", "--name", oneName, "--progress", "plain")
	create := time.Since(start)
	c.limit = wholeLimit(create).String()
	fmt.Fprintf(os.Stderr, "chaos: a create takes %.1f s, clusters are whole again within %s\n", create.Seconds(), c.limit)
	mkube(t, "create", "cluster", "--name", threeName, "--control-planes", "3", "--progress", "plain")
	c.check(t)
	actions := c.actions(t)
	// All kinds of rounds are used in turn, in a random order, so that none is left out.
	order := c.rand.Perm(len(actions))
	for i := range *rounds {
		a := actions[order[i%len(order)]]
		name := fmt.Sprintf("%d of %d: %s", i+1, *rounds, a.name)
		start := time.Now()
		if !t.Run(name, func(t *testing.T) {
			a.do(t)
			c.check(t)
		}) {
			return // the following rounds would fail in the same way
		}
		fmt.Fprintf(os.Stderr, "chaos %s: well after %.1f s\n", name, time.Since(start).Seconds())
	}
	remove(t, oneName)
	remove(t, threeName)
	if left := labelled(t, c.client, ""); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// newChaos starts the engine. mkube runs in its network namespace, because the published ports are
// there.
func newChaos(t *testing.T) *chaos {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root makes the network namespace of an engine: run this test as root")
	}
	e := newEngine(t, "mkube-chaos-")
	wrapper := e.file(t, "mkube", fmt.Appendf(nil, "#!/bin/sh\nexec nsenter --net=/run/netns/%s %s \"$@\"\n", e.namespace, *mkubePath))
	if err := os.Chmod(wrapper, 0o755); err != nil {
		t.Fatal(err)
	}
	before := *mkubePath
	*mkubePath = wrapper
	t.Cleanup(func() { *mkubePath = before })
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(e.dir, "docker.sock"))
	return &chaos{remoteEngine: e, whole: t, rand: rand.New(rand.NewPCG(*seed, 0))}
}

// action is a kind of round.
type action struct {
	name string
	do   func(*testing.T)
}

// actions returns the kinds of rounds that -only selects.
func (c *chaos) actions(t *testing.T) []action {
	t.Helper()
	selected, err := regexp.Compile(*only)
	if err != nil {
		t.Fatalf("-only: %v", err)
	}
	list := slices.DeleteFunc(c.allActions(), func(a action) bool { return !selected.MatchString(a.name) })
	if len(list) == 0 {
		t.Fatalf("-only %q matches no kind of round", *only)
	}
	return list
}

func (c *chaos) allActions() []action {
	list := []action{
		{"create is killed", c.createKilled},
		{"two creates of a name", c.twoCreates},
		{"create is killed beside another create", c.createBesideKilled},
	}
	for _, name := range []string{oneName, threeName} {
		list = append(list,
			action{"add node to " + name + " is killed", func(t *testing.T) { c.addKilled(t, name) }},
			action{"two add node to " + name, func(t *testing.T) { c.twoAdds(t, name) }},
			action{"delete node of " + name + " is killed", func(t *testing.T) { c.deleteKilled(t, name) }},
			action{"stop of " + name + " is killed", func(t *testing.T) { c.powerKilled(t, name, "stop") }},
			action{"start of " + name + " is killed", func(t *testing.T) { c.powerKilled(t, name, "start") }},
			action{"start beside stop of " + name, func(t *testing.T) { c.startBesideStop(t, name) }},
		)
	}
	return append(list,
		action{"the engine is killed", func(t *testing.T) { c.engineKilled(t, nil) }},
		action{"the engine is killed while a node is added", func(t *testing.T) {
			c.engineKilled(t, []string{"add", "node", "--name", oneName, "--progress", "plain", "--wait", c.limit})
			mkube(t, "start", "cluster", "--name", oneName, "--progress", "plain", "--wait", c.limit)
			c.forget(t, oneName)
		}},
		action{"the engine is killed while a cluster is created", func(t *testing.T) {
			c.engineKilled(t, []string{"create", "cluster", "--name", newName, "--progress", "plain", "--wait", c.limit})
			remove(t, newName)
			c.nothing(t)
		}},
	)
}

// moment returns a random time of at least 50 ms and less than longest plus 50 ms.
func (c *chaos) moment(longest time.Duration) time.Duration {
	return 50*time.Millisecond + time.Duration(c.rand.Int64N(int64(longest)))
}

// killed runs mkube and kills it at a random moment, unless it has ended before.
func (c *chaos) killed(t *testing.T, longest time.Duration, args ...string) {
	t.Helper()
	after := c.moment(longest)
	ctx, cancel := context.WithTimeout(t.Context(), after) // its end is kill -9
	defer cancel()
	r := tryContext(t, ctx, "", args...)
	t.Logf("mkube %s: %d, killed after %s at the latest", strings.Join(args, " "), r.code, after.Round(time.Millisecond))
}

// createKilled checks that delete deletes everything that a killed create left.
func (c *chaos) createKilled(t *testing.T) {
	c.killed(t, 10*time.Second, "create", "cluster", "--name", newName, "--progress", "plain")
	settled(t, c.client, "postNetworkCreate") // before that, delete would find nothing
	remove(t, newName)
	c.nothing(t)
}

// both runs two commands at the same time and returns their results.
func both(t *testing.T, first, second []string) [2]result {
	var results [2]result
	var wait sync.WaitGroup
	for i, args := range [][]string{first, second} {
		wait.Go(func() { results[i] = try(t, "", args...) })
	}
	wait.Wait()
	return results
}

// twoCreates checks that one create gets the name and its cluster is whole, and that the other one
// fails with a message.
func (c *chaos) twoCreates(t *testing.T) {
	args := []string{"create", "cluster", "--name", newName, "--progress", "plain"}
	r := both(t, args, args)
	if codes := []int{r[0].code, r[1].code}; !slices.Contains(codes, 0) || !slices.Contains(codes, 1) {
		t.Errorf("two creates of one name: %s\n%s", r[0], r[1])
	}
	if out := mkube(t, "kubectl", "--name", newName, "--", "get", "--raw", "/readyz"); out != "ok" {
		t.Errorf("the winner's API server says %s", out)
	}
	remove(t, newName)
	c.nothing(t)
}

// createBesideKilled checks that a killed create does not harm another create of the same name.
func (c *chaos) createBesideKilled(t *testing.T) {
	var other result
	var wait sync.WaitGroup
	wait.Go(func() { c.killed(t, 3*time.Second, "create", "cluster", "--name", newName, "--progress", "plain") })
	wait.Go(func() { other = try(t, "", "create", "cluster", "--name", newName, "--progress", "plain") })
	wait.Wait()
	settled(t, c.client, "postNetworkCreate")
	if other.code == 0 {
		if out := mkube(t, "kubectl", "--name", newName, "--", "get", "--raw", "/readyz"); out != "ok" {
			t.Errorf("the other's API server says %s", out)
		}
	} else if !strings.Contains(other.stderr, "already exists") {
		t.Errorf("the other create: %s", other)
	}
	remove(t, newName)
	c.nothing(t)
}

// addKilled checks that an add works after a killed add, whatever that left.
func (c *chaos) addKilled(t *testing.T, name string) {
	args := []string{"add", "node", "--name", name, "--progress", "plain"}
	if name == threeName && c.rand.IntN(2) == 0 {
		args = append(args, "--role", "control-plane")
	}
	c.killed(t, 6*time.Second, args...)
	if r := try(t, "", args...); r.code != 0 {
		t.Errorf("the next add: %s", r)
	}
	c.forget(t, name)
}

// deleteKilled checks that a delete finishes what a killed delete began.
func (c *chaos) deleteKilled(t *testing.T, name string) {
	role := "worker"
	if name == threeName && c.rand.IntN(2) == 0 {
		role = "control-plane"
	}
	node := strings.TrimSpace(mkube(t, "add", "node", "--name", name, "--role", role, "--progress", "plain"))
	args := []string{"delete", "node", node, "--name", name, "--drain", "0", "--progress", "plain"}
	c.killed(t, 1500*time.Millisecond, args...)
	if r := try(t, "", args...); r.code != 0 && !strings.Contains(r.stderr, fmt.Sprintf("has no node %q", node)) {
		t.Errorf("the next delete: %s", r)
	}
}

// twoAdds checks that at least one of two adds adds a node, and that the other one also does, or
// names the holder of the lock.
func (c *chaos) twoAdds(t *testing.T, name string) {
	args := []string{"add", "node", "--name", name, "--progress", "plain"}
	r := both(t, args, args)
	for i := range r {
		if r[i].code != 0 && (r[1-i].code != 0 || !strings.Contains(r[i].stderr, "is at work on cluster")) {
			t.Errorf("two adds: %s\n%s", r[0], r[1])
		}
	}
	c.forget(t, name)
}

// forget deletes the nodes that a round has added.
func (c *chaos) forget(t *testing.T, name string) {
	t.Helper()
	for _, n := range c.containers(t, name) {
		if !slices.Contains(nodesOf(name), n) {
			mkube(t, "delete", "node", n, "--name", name, "--drain", "0", "--progress", "plain")
		}
	}
}

// nodesOf returns the nodes that a cluster of the test has between rounds.
func nodesOf(name string) []string {
	if name == oneName {
		return []string{oneName + "-control-plane"}
	}
	return []string{
		threeName + "-control-plane", threeName + "-control-plane2", threeName + "-control-plane3", threeName + "-external-load-balancer",
	}
}

// powerKilled checks that start recovers from a killed stop or start.
func (c *chaos) powerKilled(t *testing.T, name, verb string) {
	if verb == "start" {
		mkube(t, "stop", "cluster", "--name", name)
	}
	args := []string{verb, "cluster", "--name", name}
	if verb == "start" {
		args = append(args, "--progress", "plain")
	}
	c.killed(t, 3*time.Second, args...)
	mkube(t, "start", "cluster", "--name", name, "--progress", "plain", "--wait", c.limit)
}

// startBesideStop checks that after a start and a stop at the same time, all nodes run or none
// does.
func (c *chaos) startBesideStop(t *testing.T, name string) {
	r := both(t, []string{"stop", "cluster", "--name", name}, []string{"start", "cluster", "--name", name, "--progress", "plain", "--wait", c.limit})
	for i := range r {
		if r[i].code != 0 && (r[1-i].code != 0 || !strings.Contains(r[i].stderr, "is at work on cluster")) {
			t.Errorf("start beside stop: %s\n%s", r[0], r[1])
		}
	}
	if n := len(c.running(t, name)); n != 0 && n != len(nodesOf(name)) {
		t.Errorf("%d of %d nodes run", n, len(nodesOf(name)))
	}
	mkube(t, "start", "cluster", "--name", name, "--progress", "plain", "--wait", c.limit)
}

// engineKilled checks that after the engine was killed, each cluster is whole within the limit
// without mkube start. A command that is in progress at that moment may fail.
func (c *chaos) engineKilled(t *testing.T, atWork []string) {
	var wait sync.WaitGroup
	if atWork != nil {
		wait.Go(func() { t.Log(try(t, "", atWork...).code) })
		time.Sleep(c.moment(5 * time.Second)) // the random moment
	}
	c.docker.kill()
	if c.rand.IntN(2) == 0 {
		c.killContainerd(t)
	}
	c.startDocker(c.whole)
	wait.Wait()
	for _, name := range []string{oneName, threeName} {
		eventually(t, "the nodes of "+name+" run", func() (bool, string) {
			running := c.running(t, name)
			return !slices.ContainsFunc(nodesOf(name), func(n string) bool { return !slices.Contains(running, n) }), fmt.Sprint(running)
		})
	}
}

// kill ends the program immediately, like a power failure.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // an error means that it has ended already
	_ = p.wait()             // the error reports that it was killed
}

// killContainerd kills the engine's containerd, which outlives the engine.
func (c *chaos) killContainerd(t *testing.T) {
	t.Helper()
	file := filepath.Join(c.dir, "exec", "containerd", "containerd.pid")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("killing containerd: %v", err)
	}
	// Until the process is reaped, the engine would assume that it runs.
	if err := os.Remove(file); err != nil {
		t.Error(err)
	}
}
