/// The version of all three programs; it stands here alone.
package let programVersion = "0.1.0"
