package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand(*env) *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the manual pages into a folder",
		Example: `  mantle man /usr/local/share/man/man1
  mantle completion bash > /etc/bash_completion.d/mantle`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return usagef("make folder for manual pages: %w", err)
			}
			// The date is fixed, so that the same version makes the same pages.
			date := time.Unix(0, 0)
			header := &doc.GenManHeader{Title: "MANTLE", Section: "1", Source: "mantle " + thisBuild().Version, Manual: "mantle", Date: &date}
			root := c.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, header, args[0])
		},
	}
}
