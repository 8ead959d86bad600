package cli

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/learn/fault"
)

// chosenFault returns the fault to cause: the named one, or else a random one, on the chosen node.
func chosenFault(c *cluster.Cluster, o breakOptions, name string) (fault.Instance, error) {
	var choice [][]fault.Instance // for each fault, its places
	g := bootstrap.Built(c)
	for _, f := range fault.In(g) {
		if name == "" || f.Name == name {
			choice = append(choice, f.Instances(c, g))
		}
	}
	if len(choice) == 0 {
		return fault.Instance{}, notBuilt(name, c.Config.Name)
	}
	choice, err := onNode(choice, c, o.node)
	if err != nil {
		return fault.Instance{}, err
	}
	if name != "" {
		return choice[0][0], nil
	}
	seed := o.seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	random := rand.New(rand.NewPCG(seed, 0))
	places := choice[random.IntN(len(choice))]
	return places[random.IntN(len(places))], nil
}

// onNode keeps of each fault only the place on a node, and leaves out the faults that have none
// there. If node is empty, it keeps all places.
func onNode(choice [][]fault.Instance, c *cluster.Cluster, node string) ([][]fault.Instance, error) {
	if node == "" {
		return choice, nil
	}
	n, err := nodeCalled(c.KubernetesNodes(), c.Config.Name, node)
	if err != nil {
		return nil, err
	}
	var there [][]fault.Instance
	for _, places := range choice {
		places = slices.DeleteFunc(slices.Clone(places), func(i fault.Instance) bool { return i.Node() != n.Name() })
		if len(places) > 0 {
			there = append(there, places)
		}
	}
	if len(there) > 0 {
		return there, nil
	}
	if f := choice[0][0]; f.InAPI {
		return nil, fmt.Errorf("fault %s is in the API, and not on a node: leave out --node", f.Name)
	}
	var names []string
	for _, i := range choice[0] {
		names = append(names, i.Node())
	}
	return nil, fmt.Errorf("%s does not run on %s: choose %s", choice[0][0].Component, n.Name(), strings.Join(names, ", "))
}

// notBuilt is the error for a fault of a component that a cluster does not have.
func notBuilt(fault, cluster string) error {
	return fmt.Errorf("fault %s is in a component that cluster %q does not have yet: mkube stage lists the components", fault, cluster)
}
