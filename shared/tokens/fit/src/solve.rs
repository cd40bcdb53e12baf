//! A linear model without intercept whose coefficients are not negative.

/// The model's value.
pub fn dot(model: &[f64], features: &[f64]) -> f64 {
    model.iter().zip(features).map(|(c, x)| c * x).sum()
}

/// Minimises the weighted sum of `|predicted - actual| / actual` over rows of features, actual
/// value and weight, by least squares that are weighted anew in each round.
pub fn least_relative_error(rows: &[(&[f64], f64, f64)]) -> Vec<f64> {
    let width = rows.first().map_or(0, |row| row.0.len());
    let mut model = vec![0.1; width];
    for round in 0..40 {
        let mut normal = vec![vec![0.0; width]; width];
        let mut right = vec![0.0; width];
        for (features, actual, weight) in rows {
            let off = (dot(&model, features) - actual).abs() / actual;
            // The first round is plain least squares of the relative error.
            let robust = if round == 0 { 1.0 } else { 1.0 / off.max(0.01) };
            let weight = weight * robust / (actual * actual);
            for (i, x) in features.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                right[i] += weight * x * actual;
                for (j, y) in features.iter().enumerate() {
                    normal[i][j] += weight * x * y;
                }
            }
        }
        descend(&normal, &right, &mut model);
    }
    model
}

/// Coordinate descent on the normal equations, each coefficient held at zero or above.
fn descend(normal: &[Vec<f64>], right: &[f64], model: &mut [f64]) {
    let scale: f64 = normal.iter().enumerate().map(|(i, row)| row[i]).sum();
    for _ in 0..3000 {
        for i in 0..model.len() {
            let ridge = scale * 1e-9 + 1e-12;
            let others = dot(&normal[i], model) - normal[i][i] * model[i];
            model[i] = ((right[i] - others) / (normal[i][i] + ridge)).max(0.0);
        }
    }
}
