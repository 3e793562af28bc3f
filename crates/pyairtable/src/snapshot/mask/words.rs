//! Words and names that made-up values consist of.

pub(super) const GIVEN_NAMES: [&str; 64] = [
    "Alba", "Anton", "Bela", "Boris", "Carla", "Cedric", "Dalia", "Dario", "Edda", "Elias", "Enzo", "Fabia",
    "Felix", "Flora", "Gerd", "Gloria", "Hanno", "Helga", "Ida", "Igor", "Ines", "Ivo", "Jana", "Jonas",
    "Judith", "Kai", "Karla", "Kilian", "Lara", "Leo", "Lina", "Ludwig", "Maja", "Marek", "Mara", "Milo",
    "Nadia", "Nils", "Nora", "Olaf", "Olga", "Oskar", "Paula", "Peter", "Petra", "Quentin", "Rahel", "Ralf",
    "Rosa", "Ruben", "Sara", "Silas", "Stella", "Sven", "Tara", "Theo", "Tilda", "Tomas", "Ulla", "Uwe",
    "Vera", "Viktor", "Wanda", "Xaver",
];

pub(super) const FAMILY_NAMES: [&str; 80] = [
    "Abel", "Adler", "Arndt", "Bach", "Baker", "Barth", "Becker", "Berger", "Blum", "Brandt", "Brook",
    "Busch", "Carver", "Cole", "Conrad", "Dahl", "Dietz", "Dorn", "Ebert", "Engel", "Falk", "Ferris", "Fink",
    "Foster", "Frank", "Frost", "Gerber", "Graf", "Grant", "Greene", "Haas", "Hale", "Hansen", "Hart",
    "Heller", "Holt", "Horn", "Hughes", "Ibsen", "Jansen", "Jung", "Kaiser", "Keller", "Kern", "Klein",
    "Koch", "Kramer", "Lange", "Larsen", "Lind", "Lorenz", "Maier", "Marsh", "Martin", "Mercer", "Moser",
    "Nolan", "Noll", "Olsen", "Otto", "Parker", "Peters", "Pohl", "Quist", "Reed", "Richter", "Roth",
    "Sander", "Schmidt", "Seidel", "Stark", "Stone", "Thorn", "Ulrich", "Vogel", "Wagner", "Walsh", "Weber",
    "Winter", "Zimmer",
];

pub(super) const WORDS: [&str; 212] = [
    "an", "as", "at", "by", "go", "in", "it", "no", "of", "on", "or", "so", "to", "up", "we", "all", "and",
    "any", "arc", "bay", "box", "cup", "day", "dry", "far", "few", "for", "fox", "hat", "ice", "ink", "key",
    "low", "map", "net", "new", "oak", "old", "one", "own", "pen", "red", "sea", "sky", "sun", "tea", "the",
    "tin", "two", "way", "able", "army", "bark", "blue", "boat", "bold", "calm", "card", "cave", "clay",
    "cold", "corn", "dawn", "deep", "door", "each", "east", "even", "fair", "farm", "fern", "fine", "flat",
    "foot", "fork", "gate", "gold", "gray", "half", "hill", "iron", "jade", "kind", "lake", "lamp", "leaf",
    "long", "many", "mild", "mint", "moon", "nest", "next", "open", "over", "pale", "park", "path", "pine",
    "rain", "reed", "road", "rope", "salt", "sand", "seed", "ship", "silk", "slow", "snow", "soft", "some",
    "star", "stem", "tall", "than", "that", "then", "this", "tide", "tree", "vast", "very", "wall", "warm",
    "well", "west", "when", "wide", "wind", "with", "wood", "yard", "above", "amber", "apple", "basin",
    "berry", "brass", "brick", "broad", "brown", "cabin", "cedar", "chalk", "cliff", "cloud", "coast",
    "copper", "coral", "dusty", "early", "earth", "fable", "field", "flint", "frost", "glass", "grain",
    "green", "hazel", "heath", "honey", "ivory", "lemon", "linen", "maple", "marsh", "meadow", "metal",
    "north", "ocean", "olive", "orchard", "other", "paper", "pearl", "plain", "quiet", "river", "round",
    "rustic", "sandy", "shade", "shore", "silver", "slate", "smoke", "south", "spring", "steel", "stone",
    "storm", "summer", "sunny", "table", "tidal", "timber", "under", "valley", "velvet", "violet", "water",
    "willow", "window", "winter", "between", "blossom", "cottage", "evening", "harvest", "lantern",
];
