package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// docsCommand prints the reference of the commands, for packages and for docs/cli.md.
func (a app) docsCommand() *cobra.Command {
	return group("docs", "Write the reference of the commands", a.manCommand(), a.markdownCommand())
}

func (a app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a man page for each command",
		Long: `Write a man page for each command into a folder, which must exist. The date of
the pages is $SOURCE_DATE_EPOCH, or else today.`,
		Example: `  mkube docs man /usr/local/share/man/man1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "%s needs one folder", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			header := &doc.GenManHeader{Section: "1", Source: "mkube " + version(), Manual: "mkube"}
			root := plainRoot(cmd)
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("writing man pages: %w", err)
			}
			return nil
		},
	}
}

func (a app) markdownCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "markdown",
		Short:   "Print the reference of all commands in Markdown",
		Example: `  mkube docs markdown > docs/cli.md`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeReference(a.out, plainRoot(cmd))
		},
	}
}

// plainRoot returns the root command without the lines that say when a page was generated.
func plainRoot(cmd *cobra.Command) *cobra.Command {
	root := cmd.Root()
	root.DisableAutoGenTag = true
	return root
}

const referenceHead = `# Commands

This page is the reference of all commands and flags. ` + "`make docs`" + ` generates it from the commands. Each command prints the same
text with ` + "`--help`" + `.

`

// writeReference writes one page with a section for each command that can be run.
func writeReference(w io.Writer, root *cobra.Command) error {
	var page bytes.Buffer
	page.WriteString(referenceHead)
	var walk func(*cobra.Command) error
	walk = func(cmd *cobra.Command) error {
		for _, c := range cmd.Commands() {
			if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() || c.Name() == "completion" {
				continue
			}
			if c.HasAvailableSubCommands() {
				if err := walk(c); err != nil {
					return err
				}
				continue
			}
			if err := writeCommand(&page, c); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(root); err != nil {
		return err
	}
	_, err := w.Write(append(bytes.TrimRight(page.Bytes(), "\n"), '\n'))
	return err
}

// writeCommand writes one section. It omits the links to other pages, because there is only one
// page.
func writeCommand(page *bytes.Buffer, cmd *cobra.Command) error {
	var section bytes.Buffer
	if err := doc.GenMarkdownCustom(cmd, &section, func(s string) string { return s }); err != nil {
		return err
	}
	text, _, _ := strings.Cut(section.String(), "### SEE ALSO")
	page.WriteString(strings.TrimRight(text, "\n") + "\n\n")
	return nil
}
