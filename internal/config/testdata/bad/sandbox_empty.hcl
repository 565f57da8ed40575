# want: 4:1: sandbox has no account
# hint: add account "dev" { id = "111122223333" }

sandbox {}
