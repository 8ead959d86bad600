package docs

import (
	"testing"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/learn/drawing"
)

// TestPictureOfTheGraph compares the first picture of the README with the graph of a default
// cluster. The flag -update writes it.
func TestPictureOfTheGraph(t *testing.T) {
	t.Parallel()
	picture, err := drawing.SVG(drawing.Of(bootstrap.Components(config.Cluster{}.Default())))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "pictures/graph.svg", picture)
}
